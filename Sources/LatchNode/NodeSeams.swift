package import LatchMachine
package import PeerTransport
package import RaftCore
package import RaftStorage

// The three things a node is built upon, as narrow as it uses them: what stands here can be virtual
// in a simulation, while the node is the one that runs in production.

/// Remembers what the node persists: `RaftStorage`, or a disk in virtual time.
package protocol NodeDisk: AnyObject, Sendable {
    /// Begins to write.
    ///
    /// - Parameters:
    ///   - onPersisted: called with the newest id that is durable, on any thread.
    ///   - onFailure: called at most once; nothing is acknowledged after it.
    func start(
        onPersisted: @escaping @Sendable (PersistID) -> Void,
        onFailure: @escaping @Sendable (StorageFailure) -> Void)
    /// Queues one step; never waits for the disk. Ids ascend by one.
    func persist(_ persist: Persist)
    /// Writes what is queued and closes.
    func close()
}

extension RaftStorage: NodeDisk {}

/// Carries frames to the other members and back: `PeerTransport`, or links in virtual time.
///
/// Used on the node's loop only. A method never delivers an event before it returns.
package protocol PeerLinks: AnyObject {
    /// Begins to listen and to connect.
    ///
    /// - Throws: what keeps it from listening.
    func start() async throws
    /// Closes every connection. No event follows.
    func shutdown() async
    /// Queues a frame until ``flush()``; false if it is dropped.
    func send(_ frame: PeerFrame, to server: ServerID) -> Bool
    /// Ends a batch.
    func flush()
    /// Whether frames can be sent to `server`.
    func isConnected(_ server: ServerID) -> Bool
}

extension PeerTransport: PeerLinks {
    package func isConnected(_ server: ServerID) -> Bool { isConnected(server, by: .main) }
}

/// Encodes a snapshot somewhere off the node's loop, and runs what it is given exactly once.
package typealias SnapshotEncoder = @Sendable (@escaping @Sendable () -> Void) -> Void

/// Watches the turns of one node on its loop. For simulations: a production node has none.
package protocol TurnObserver: AnyObject {
    /// The turn has stepped everything that came in; `effects` is executed next.
    func willExecute(_ effects: borrowing Effects, of node: LatchNode)
    /// The turn is over: effects executed, frames flushed.
    func didTurn(_ node: LatchNode)
}

/// Is told of terms of latches, on the node's loop: for metrics.
package protocol TermObserver: AnyObject, Sendable {
    /// This node has applied the entry that began a term.
    func termBegan(_ record: TermRecord, of name: PrimitiveName)
    /// This node has applied the entry that ended a term after which nobody held the latch.
    func termEnded(_ record: TermRecord, of name: PrimitiveName)
}

extension TermObserver {
    package func termEnded(_ record: TermRecord, of name: PrimitiveName) {}
}
