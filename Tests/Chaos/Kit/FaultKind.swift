/// What can be done to a cluster.
package enum FaultKind: String, CaseIterable, Sendable {
    /// kill -9 of one, two, all nodes.
    case kill
    case killTwo = "kill-two"
    case killAll = "kill-all"
    /// SIGTERM and a new start.
    case restart
    /// SIGSTOP of one node for 0.5 to 10 T, then SIGCONT.
    case stop
    /// All nodes paused together.
    case stopAll = "stop-all"
    /// What one node sends does not arrive; it hears everything.
    case oneWay = "one-way"
    /// Two nodes do not hear each other; a third hears both.
    case bridge
    /// The leader hears and is heard by nobody.
    case isolateLeader = "isolate-leader"
    /// A link goes up and down quickly.
    case flapping
    /// A node's connections are dead, but nobody is told.
    case halfOpen = "half-open"
    /// Delay, jitter and little bandwidth between two nodes.
    case slowLink = "slow-link"
    /// A reader that takes a few kilobytes a second.
    case slowReader = "slow-reader"
    /// Connections that end within a frame.
    case cutFrames = "cut-frames"
    /// Clients reach a node late or not at all.
    case clientLinks = "client-links"
    /// fsync takes 20 to 400 ms.
    case slowSync = "slow-sync"
    /// fsync fails: the node must end at once.
    case failSync = "fail-sync"
    /// The disk is full: the node must end, and come back when there is room.
    case fullDisk = "full-disk"
    /// The wall clock jumps by minutes or hours, either way.
    case clockStep = "clock-step"

    /// Needs the LD_PRELOAD library.
    package var needsShim: Bool {
        switch self {
        case .slowSync, .failSync, .clockStep: true
        case .kill, .killTwo, .killAll, .restart, .stop, .stopAll, .oneWay, .bridge,
            .isolateLeader, .flapping, .halfOpen, .slowLink, .slowReader, .cutFrames,
            .clientLinks, .fullDisk:
            false
        }
    }
}
