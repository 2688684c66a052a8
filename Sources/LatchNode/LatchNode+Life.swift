package import NIOCore
import RaftCore

// From the start to the end of a node.
extension LatchNode {
    /// Binds the peer port, starts the disk's thread and the first election timeout.
    package func start() async throws {
        startDisk()
        try await transport.start()
        try await loop.submit { [self] in begin() }.get()
    }

    /// Starts a node whose links need no starting, on `loop`.
    package func startOnLoop() {
        startDisk()
        begin()
    }

    private func begin() {
        isRunning = true
        turn()
    }

    private func startDisk() {
        storage.start(
            onPersisted: { [weak self] id in
                guard let self else { return }
                if self.inbox.complete({ $0.persisted = id }) { self.wake() }
            },
            onFailure: { [weak self] failure in
                guard let self else { return }
                if self.inbox.complete({ $0.storageFailure = failure }) { self.wake() }
            })
    }

    /// The first half of stopping: the node says that it is not ready, hands leadership to the
    /// most up-to-date member if it leads, and brings the calls it has to a decision. Returns when
    /// all that is done, or after `limit`.
    package func retire(within limit: TimeAmount) async {
        let promise = loop.makePromise(of: Void.self)
        retire(within: limit, completing: promise)
        try? await promise.futureResult.get()
    }

    /// As ``retire(within:)``; the promise tells the end.
    package func retire(within limit: TimeAmount, completing promise: EventLoopPromise<Void>) {
        loop.execute { [self] in
            guard isRunning else { return promise.succeed() }
            isStopping = true
            retirement = promise
            continueRetirement()
            turn()
            loop.scheduleTask(in: limit) { [self] in finishRetirement() }
        }
    }

    /// Asks for the transfer again where it was aborted, and ends when nothing is left to decide.
    func continueRetirement() {
        guard retirement != nil else { return }
        let canHandOver = raft.role == .leader && settings.members.count > 1
        if canHandOver, !raft.isTransferring { linkEvents.append(.transferLeadership(to: nil)) }
        let isIdle = calls.count == 0 && reads.isEmpty && held.isEmpty && renewals.due == nil
        if !canHandOver, isIdle { finishRetirement() }
    }

    func finishRetirement() {
        retirement?.succeed()
        retirement = nil
    }

    /// Answers everybody who waits, closes the links, then the disk.
    package func stop() async {
        inbox.close()
        try? await loop.submit { [self] in
            let wasRunning = isRunning
            isRunning = false
            wakeUp?.cancel()
            finishRetirement()
            // After a halt nobody is answered any more.
            guard wasRunning else { return }
            accept(inbox.drain().requests, at: now)
            failEverything()
        }.get()
        await transport.shutdown()
        storage.close()
    }

    /// Stops sending and answering at once, and reports why. Nothing leaves this node afterwards.
    func halt(_ reason: HaltReason) {
        guard isRunning else { return }
        isRunning = false
        effects = Effects()
        wakeUp?.cancel()
        onHalt(reason)
    }
}
