import LatchAPI
import LatchClient
import SwiftProtobuf
import Synchronization

// What must hold when the writers have finished.
extension Workload {
    /// Compares the cluster with the history, through every node; returns all contradictions.
    ///
    /// Call it after ``finishWriting(within:)``, while every node runs.
    package func verdict() async throws -> [String] {
        let names = history.withLock { $0.names }
        for (position, connection) in connections.enumerated() {
            for name in names {
                let answer = try await eventually("a read through node \(position + 1)") {
                    try await AtomixAttempt(connection).getLatch(name, namespace: Self.namespace)
                }
                compare(answer.latch.state, with: name, through: position + 1)
            }
        }
        let sessions = history.withLock { Array($0.sessions.values) }
        for session in sessions { await check(session) }
        if !violations.isEmpty {
            print("slow attempts: \(history.withLock { $0.slowAttempts })")
        }
        return violations
    }

    /// Every acknowledged participant is there once, in the order of the acknowledged indexes.
    private func compare(_ state: Latchd_V1_LatchState, with name: String, through node: Int) {
        let known = history.withLock { $0.latches[name] ?? LatchHistory() }
        let acknowledged = known.joined.sorted { $0.index < $1.index }.map(\.participant)
        let isKnown = Set(acknowledged)
        let found = state.participants.filter(isKnown.contains)
        if found != acknowledged {
            let lost = isKnown.subtracting(found).sorted()
            note(
                "\(name) through node \(node): \(acknowledged.count) were acknowledged, \(found.count) are there in "
                    + "another order or number; lost: \(lost.prefix(5))")
        }
        if Set(state.participants).count != state.participants.count {
            note("\(name) through node \(node): a participant is there twice")
        }
        if state.term != 1 || state.holder != state.participants.first {
            note("\(name) through node \(node): its first holder never left, yet: \(state.term)")
        }
    }

    private func check(_ session: KeptSession) async {
        let header = Self.header(session.latch, session: session.id)
        _ = try? await settle("session \(session.id) of \(session.latch), at the end") {
            try await $0.keepAlive(header)
        }
    }

    /// One line about the run, for the test's output.
    package var summary: String {
        history.withLock {
            "\($0.acknowledgedCount) acknowledged (\($0.retriedCount) after a retry), "
                + "\($0.latches.count) latches, \($0.sessions.count) sessions, "
                + "\($0.handOvers) hand-overs, \($0.readCount) reads"
        }
    }
}
