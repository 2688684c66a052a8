import RaftCore

/// What the node remembers of who led, to notice changes from turn to turn.
struct Leadership: Equatable {
    var role: Role = .follower
    var term: Term = .zero
    var leader: ServerID?
    /// This node leads and an entry of its term is applied, so log time runs here.
    var isServing = false
    /// This node leads, or has a link to the leader: it can bring a call to a decision.
    var isReady = false
}
