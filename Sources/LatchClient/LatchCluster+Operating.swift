import LatchAPI
import SwiftProtobuf

extension LatchCluster {
    // MARK: Operating

    /// Takes a participant out of a latch. If it holds the latch, the next one does at once; the
    /// former holder learns of it only after the fact, so only the fencing token protects.
    /// - Parameters:
    ///   - participant: who is to go.
    ///   - name: the latch.
    ///   - namespace: of the latch.
    ///   - sessionID: only the participant of this session; nil: the first of that name, and if an
    ///     answer is lost, perhaps a second of that name too.
    ///   - fencingToken: only while this is the current token; nil: whatever it is.
    /// - Returns: the latch after that.
    /// - Throws: ``LatchError``: `notFound` if there is no such latch or participant, `tokenMoved`
    ///   if another token is the current one; `outcomeUnknown` if that may be because an attempt
    ///   whose answer was lost has done it.
    @discardableResult
    public func evict(
        _ participant: String, from name: String,
        namespace: String = LatchCluster.defaultNamespace,
        sessionID: UInt64? = nil, fencingToken: UInt64? = nil
    ) async throws -> LatchInfo {
        let name = try LatchName(checking: name, namespace: namespace)
        try LatchName.check(participant, "the participant id")
        let request = Latchd_V1_EvictRequest.with {
            $0.latch = name.wire
            $0.participant = participant
            $0.sessionID = sessionID ?? 0
            $0.fencingToken = fencingToken ?? 0
        }
        let response = try await calls.performUnnumbered(on: name) {
            try await $0.latches.evict(request, options: $0.options)
        }
        return LatchInfo(name, response.state, index: response.index)
    }

    /// Passes a latch to a participant that waits; its holder becomes the last in line. The holder
    /// learns of it only after the fact, so only the fencing token protects: ask the holder to use
    /// ``LatchHold/handOver(to:)`` where that can be.
    /// - Parameters:
    ///   - name: the latch.
    ///   - namespace: of the latch.
    ///   - fencingToken: the token of the grant that is to end.
    ///   - participant: who is to hold the latch.
    /// - Returns: the latch after that.
    /// - Throws: ``LatchError``: `notFound` if there is no such latch, or nobody of that name
    ///   waits; `tokenMoved` if another token is the current one; `outcomeUnknown` if that may be
    ///   because an attempt whose answer was lost has done it.
    @discardableResult
    public func handOver(
        _ name: String, namespace: String = LatchCluster.defaultNamespace, fencingToken: UInt64,
        to participant: String
    ) async throws -> LatchInfo {
        let name = try LatchName(checking: name, namespace: namespace)
        try LatchName.check(participant, "the participant id")
        let request = Latchd_V1_HandOverRequest.with {
            $0.latch = name.wire
            $0.fencingToken = fencingToken
            $0.to = participant
        }
        let response = try await calls.performUnnumbered(on: name) {
            try await $0.latches.handOver(request, options: $0.options)
        }
        return LatchInfo(name, response.state, index: response.index)
    }

    /// Deletes a latch: all its sessions end, those of holders and of who waits. Its count of
    /// grants starts again, its fencing token does not. Succeeds if there is none.
    ///
    /// A holder learns of it only after the fact, and may act until then while somebody else takes
    /// the latch: only the fencing token protects. Delete what nobody holds.
    /// - Throws: ``LatchError``. It is repeated until a node answers, so a latch that somebody
    ///   created meanwhile can be deleted too.
    public func delete(
        _ name: String, namespace: String = LatchCluster.defaultNamespace
    ) async throws {
        let name = try LatchName(checking: name, namespace: namespace)
        try await calls.perform(calls.plan) { try await $0.delete(name) }
    }
}

extension Calls {
    /// Performs a change of a latch that no request id numbers: where a repetition is refused
    /// because of what an attempt without an answer may have done, the outcome is unknown.
    func performUnnumbered<Result: Sendable>(
        on name: LatchName, _ body: @Sendable (Attempt) async throws -> Result
    ) async throws -> Result {
        var plan = plan
        plan.unnumbered = name
        return try await perform(plan, body)
    }
}
