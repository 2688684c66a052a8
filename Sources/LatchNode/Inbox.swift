import RaftCore
import RaftStorage
import Synchronization

/// What other threads hand to the node: requests of clients, completions of the disk and of the
/// snapshot encoder.
///
/// Bounded: a request that finds it full is refused at once. Completions are always taken, since
/// their number is bounded by what the node itself asked for.
final class Inbox: Sendable {
    struct Contents {
        var requests: [NodeRequest] = []
        var persisted: PersistID?
        var snapshot: Snapshot?
        var storageFailure: StorageFailure?
    }

    fileprivate struct State {
        var contents = Contents()
        var isAwake = false
        var isClosed = false
    }

    private let state = Mutex(State())
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    enum Admission {
        /// Taken; the caller must wake the node.
        case wake
        /// Taken; the node is already on its way.
        case taken
        case full
        case closed
    }

    func offer(_ request: NodeRequest) -> Admission {
        state.withLock { state in
            if state.isClosed { return .closed }
            // What frees something is always taken; there is one for each subscriber or
            // observer at most.
            if state.contents.requests.count >= capacity, !request.frees { return .full }
            state.contents.requests.append(request)
            return state.wake()
        }
    }

    /// Adds a completion; returns whether the caller must wake the node.
    func complete(_ change: (inout Contents) -> Void) -> Bool {
        state.withLock { state in
            change(&state.contents)
            return state.wake() == .wake
        }
    }

    /// Takes everything. The next offer wakes the node again.
    func drain() -> Contents {
        state.withLock { state in
            state.isAwake = false
            let contents = state.contents
            state.contents = Contents()
            return contents
        }
    }

    func close() {
        state.withLock { $0.isClosed = true }
    }
}

extension Inbox.State {
    fileprivate mutating func wake() -> Inbox.Admission {
        if isAwake { return .taken }
        isAwake = true
        return .wake
    }
}

extension NodeRequest {
    fileprivate var frees: Bool {
        switch self {
        case .unsubscribe, .stopObserving: true
        case .command, .subscribe, .renew, .read, .status, .observe, .localView: false
        }
    }
}
