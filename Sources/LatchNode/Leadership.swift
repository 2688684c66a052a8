import RaftCore

/// Whether a node can bring a call to a decision.
package enum Readiness: Sendable, Equatable {
    /// It leads, or has a link to the leader.
    case ready
    case notReady
    /// It still brings calls to a decision, but will soon be gone: use another node.
    case stopping
}

/// What the node remembers of who led, to notice changes from turn to turn.
struct Leadership: Equatable {
    var role: Role = .follower
    var term: Term = .zero
    var leader: ServerID?
    /// This node leads and an entry of its term is applied, so log time runs here.
    var isServing = false
    var readiness = Readiness.notReady
}
