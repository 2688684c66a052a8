import GRPCCore
import LatchAPI
import LatchClient
import SwiftProtobuf
import Synchronization

// The clients beside the writers.
extension Workload {
    // MARK: Keeper

    /// Keeps every session alive, each four times in its timeout.
    func keepSessions() async {
        while !Task.isCancelled {
            let sessions = history.withLock { Array($0.sessions.values) }
            await withTaskGroup { group in
                for session in sessions { group.addTask { await self.keepAlive(session) } }
            }
            try? await Task.sleep(for: .milliseconds(Self.sessionTimeout / 4))
        }
    }

    private func keepAlive(_ session: KeptSession) async {
        // Answers may still be asked for again: only old ones are acknowledged.
        let answered = history.withLock { $0.sessions[session.id]?.lastAnswered ?? 0 }
        let header = Self.header(
            session.latch, session: session.id, requestID: answered > 8 ? answered - 8 : 0)
        while !Task.isCancelled {
            let node = pickNode()
            let began = ContinuousClock.now
            defer { noteDuration(of: "keep-alive of session \(session.id)", node, since: began) }
            do {
                try await AtomixAttempt(connections[node], timeout: .milliseconds(800))
                    .keepAlive(header)
                return
            } catch let failure as AtomixFailure where !failure.isRetryable {
                let isOpen = history.withLock { $0.sessions[session.id] != nil }
                if isOpen { note("session \(session.id) of \(session.latch) is lost: \(failure)") }
                return
            } catch {
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    // MARK: Churner

    static let churned = "churned"

    /// Hands one latch on and on: each new session joins, then the one that holds it leaves.
    func churn() async {
        await whileBusy {
            var holder: KeptSession?
            var round: UInt64 = 0
            while continues {
                round += 1
                let heir = try await open(Self.churned)
                let header = Self.header(heir.latch, session: heir.id, requestID: 1)
                _ = try await settle("heir \(round)") {
                    try await $0.latch(header, "heir-\(round)")
                }
                history.withLock { $0.sessions[heir.id]?.lastAnswered = 1 }
                if let holder { try await leave(holder) }
                holder = heir
                try await observeHandOver(round)
            }
        }
    }

    private func leave(_ session: KeptSession) async throws {
        history.withLock { _ = $0.sessions.removeValue(forKey: session.id) }
        let header = Self.header(session.latch, session: session.id)
        _ = try await settle("close of session \(session.id)") { try await $0.close(header) }
    }

    /// After the n-th hand-over the n-th heir holds, in the n-th term: each grant was applied once.
    private func observeHandOver(_ round: UInt64) async throws {
        let answer = try await settle("get of \(Self.churned)") {
            try await $0.getLatch(Self.churned, namespace: Self.namespace)
        }
        let state = answer.response.latch.state
        history.withLock { history in
            if state.holder != "heir-\(round)" || state.term != round
                || state.participants != ["heir-\(round)"]
            {
                history.violations.append("after hand-over \(round): \(state)")
            }
            if state.fencingToken <= history.lastChurnToken {
                history.violations.append(
                    "token \(state.fencingToken) after \(history.lastChurnToken)")
            }
            history.lastChurnToken = state.fencingToken
            history.handOvers = round
        }
    }

    // MARK: Reader

    /// Reads latches through random nodes: what was acknowledged before a read began must be in it.
    func read() async {
        while !Task.isCancelled {
            let latches = history.withLock { Array($0.names.suffix(6)) + [Self.churned] }
            await read(latches[random(below: latches.count)])
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    private func read(_ latch: String) async {
        let floor = history.withLock { $0.latches[latch] ?? LatchHistory() }
        let node = random(below: connections.count)
        let attempt = AtomixAttempt(connections[node])
        guard let answer = try? await attempt.getLatch(latch, namespace: Self.namespace) else {
            return
        }
        let state = answer.latch.state
        history.withLock { history in
            history.readCount += 1
            if state.participants.count < floor.joined.count || state.term < floor.highestTerm
                || state.fencingToken < floor.highestToken || answer.index < floor.highestIndex
            {
                history.violations.append(
                    "stale read of \(latch) through node \(node + 1) at \(answer.index): \(state.term), "
                        + "\(state.fencingToken), \(state.participants.count) participants; known before: "
                        + "\(floor.highestIndex), \(floor.highestTerm), \(floor.highestToken), \(floor.joined.count)"
                )
            }
            history.latches[latch, default: LatchHistory()].see(state, at: answer.index)
        }
    }
}
