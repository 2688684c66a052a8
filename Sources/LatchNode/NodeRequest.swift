package import LatchMachine
package import NIOCore

/// Receives what becomes of one call. The node calls it on `loop`, at most once.
package protocol ReplySink: AnyObject, Sendable {
    /// The event loop on which the caller lives.
    var loop: any EventLoop { get }
    func complete(_ result: NodeResult)
}

/// Receives the frames of one Events stream after its opening was answered.
package protocol SubscriberSink: ReplySink {
    /// The next frame, in order and without a gap.
    func deliver(_ frame: Frame)
    /// Another transport carries the stream now, or this node can no longer serve it without a gap:
    /// end here.
    func abandon(_ reason: AbandonReason)
}

/// Watches one latch. The node calls it on `loop`, in order.
///
/// Calls that were on their way when the sink stopped observing may still arrive.
package protocol ObserverSink: AnyObject, Sendable {
    /// The event loop on which the observer lives.
    var loop: any EventLoop { get }
    /// The latch as this node has applied it, first and after every change; changes of one turn are
    /// shown together. A nil view: there is no such latch at `index`. `index` never goes back.
    func show(_ view: LatchView?, index: UInt64)
    /// Nothing is shown any more: the node is stopping, or has too many observers.
    func end(_ failure: NodeFailure)
}

/// Why a node stops serving a stream whose server-side state lives on.
package enum AbandonReason: Sendable {
    /// Somebody re-opened the stream, here or on another node (E4).
    case takenOver
    /// Frames that the stream owes are gone from the latch's ring; this response id was the last
    /// that was served.
    case lagged(after: UInt64)
    case shuttingDown
}

/// One call of a client.
package enum NodeRequest: Sendable {
    /// A command for the log.
    case command(Command, any ReplySink)
    /// An Events stream: its sink becomes the stream's subscriber on this node.
    case subscribe(Command, any SubscriberSink)
    /// A keep-alive: folded with others into one entry.
    case renew(Renewal, any ReplySink)
    /// A linearizable read.
    case read(ReadQuery, any ReplySink)
    /// The node's own status as it stands.
    case status(any ReplySink)
    /// The subscriber's transport is gone.
    case unsubscribe(StreamKey, any SubscriberSink)
    /// Shows the latch to the sink as soon as this node has applied the entry at `minimumIndex`,
    /// and after every change.
    case observe(PrimitiveName, minimumIndex: UInt64, any ObserverSink)
    /// The observer's transport is gone.
    case stopObserving(PrimitiveName, any ObserverSink)
    /// The latch as this node has applied it, at once, however old that is.
    case localView(PrimitiveName, any ReplySink)
}

extension NodeRequest {
    /// Who waits for a decision of the cluster; nil for what the node answers or does by itself.
    var caller: (any ReplySink)? {
        switch self {
        case .command(_, let sink), .renew(_, let sink), .read(_, let sink): sink
        case .subscribe(_, let sink): sink
        case .status, .unsubscribe, .observe, .stopObserving, .localView: nil
        }
    }

    /// Who asked for what this node knows by itself.
    var localReader: (any ReplySink)? {
        switch self {
        case .status(let sink), .localView(_, let sink): sink
        case .command, .renew, .read, .subscribe, .unsubscribe, .observe, .stopObserving: nil
        }
    }
}

/// What a linearizable read asks.
package enum ReadQuery: Sendable {
    /// Atomix Get: needs a live session and waits for its commands up to `requestID` (section 6).
    case get(PrimitiveName, SessionID, requestID: UInt64)
    /// One latch with its ledger, without a session.
    case view(PrimitiveName)
    /// Latches in order of (namespace, name), after `after`.
    case list(namespace: String?, prefix: String, after: PrimitiveName?, limit: Int)
    /// The names of all primitives of a namespace, or of all.
    case primitives(namespace: String?)
}

/// What a call gets.
package enum NodeResult: Sendable {
    /// The command was applied (or rejected by the machine) at `index`.
    case answer(Answer, index: UInt64)
    /// A keep-alive was applied: whether its session is alive, for how long it outlives the
    /// renewal, in log time, and its latch right after the renewal; 0 and nil if it is not alive.
    case renewed(Bool, timeoutMilliseconds: UInt64, LatchView?)
    /// Get: the latch, read at `index`.
    case latch(LatchState, index: UInt64)
    case unknownSession
    /// The latch with its ledger, read at `index`; nil if there is no such primitive.
    case view(LatchView?, index: UInt64)
    /// What this node has applied; the age is the time since it last heard from a current leader, 0
    /// on a leader that serves, nil if it never did.
    case localView(LatchView?, index: UInt64, ageMilliseconds: UInt64?)
    case latches([ListedLatch], index: UInt64)
    case primitives([PrimitiveName])
    case status(NodeStatus)
    case failed(NodeFailure)
}

/// One row of a list.
package struct ListedLatch: Sendable {
    package let name: PrimitiveName
    package let state: LatchState
}

/// Why the node could not decide a call.
package enum NodeFailure: Sendable, Equatable {
    /// Nothing was done: no leader was found in time.
    case noLeader
    /// Nothing was done: a bound of this node or of the leader is reached.
    case overloaded(String)
    /// The command may or may not have been applied; a retry with the same request id settles it.
    case outcomeUnknown
    /// Nothing was done: the leader does not know the command (it is of another version).
    case notUnderstood
    /// The wait for the session's earlier request ids ended.
    case gap
    /// Nothing was done: the node is stopping.
    case shuttingDown
}
