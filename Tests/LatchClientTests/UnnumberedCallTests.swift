import LatchAPI
import Synchronization
import Testing

@testable import LatchClient

/// An answer that never came.
private struct LostAnswer: Error {}

/// Evicting and handing over have no request id: what an earlier attempt of the same call did makes
/// a later one be refused.
@Suite("A call that no request id numbers")
struct UnnumberedCallTests {
    /// What the call throws when its attempts end so, one after the other.
    private func failure(
        _ ends: [any Error], isNumbered: Bool = false
    ) async throws -> LatchError? {
        var settings = LatchSettings()
        settings.initialBackoff = .milliseconds(1)
        let calls = Calls(
            endpoints: ["a:1", "b:1"].compactMap { Endpoint($0) }, settings: settings)
        let rest = Mutex(ends)
        let name = try LatchName(checking: "job", namespace: "n")
        let attempt: @Sendable (Calls.Attempt) async throws -> Void = { _ in
            let end = rest.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            if let end { throw end }
        }
        defer { #expect(rest.withLock { $0.isEmpty }, "not every attempt was made") }
        do {
            if isNumbered {
                try await calls.perform(calls.plan, attempt)
            } else {
                try await calls.performUnnumbered(on: name, attempt)
            }
            await calls.channels.shutdown()
            return nil
        } catch let error as LatchError {
            await calls.channels.shutdown()
            return error
        }
    }

    private let moved = Refusal(.tokenMoved, "the token has moved")
    private let missing = Refusal(.noSuchParticipant, "no such participant")

    @Test(
        "refused after an attempt without an answer: nobody knows, and the message says what to do")
    func lostAnswer() async throws {
        for refusal in [moved, missing] {
            let error = try #require(try await failure([LostAnswer(), refusal]))
            #expect(error.code == .outcomeUnknown)
            #expect(error.message.hasPrefix(refusal.message))
            #expect(error.message.contains("an earlier attempt"))
            #expect(error.message.contains("latchctl history job"))
            #expect(error.attempts.count == 1)
        }
    }

    @Test("an attempt that a node calls undecided counts as well, also rounds ago")
    func undecided() async throws {
        let undecided = Refusal(.outcomeUnknown, "leadership was lost")
        let none = Refusal(.noLeader, "no leader")
        let error = try await failure([undecided, none, none, moved])
        #expect(error?.code == .outcomeUnknown)
    }

    @Test("refused at first, or after attempts that did nothing: it was not done")
    func certain() async throws {
        #expect(try await failure([moved])?.code == .tokenMoved)
        #expect(try await failure([missing])?.code == .notFound)
        for reason in [RefusalReason.noLeader, .overloaded, .limit] {
            let error = try await failure([Refusal(reason, ""), missing])
            #expect(error?.code == .notFound)
            #expect(error?.message == missing.message)
        }
    }

    @Test("success after a lost answer is success; other refusals stay what they are")
    func others() async throws {
        #expect(try await failure([LostAnswer()]) == nil)
        let invalid = Refusal(.invalid, "too long")
        #expect(try await failure([LostAnswer(), invalid])?.code == .invalidArgument)
    }

    @Test("a call that can be repeated is refused as before")
    func numbered() async throws {
        let error = try await failure([LostAnswer(), missing], isNumbered: true)
        #expect(error?.code == .notFound)
    }

    @Test("a node without a listener was asked nothing")
    func nobodyListens() async throws {
        // Port 1 of this machine.
        let endpoint = try #require(Endpoint("127.0.0.1:1"))
        let calls = Calls(endpoints: [endpoint], settings: LatchSettings())
        let attempt = try calls.attempt(at: endpoint, timeout: nil)
        let error = await #expect(throws: (any Error).self) {
            _ = try await attempt.latches.evict(
                Latchd_V1_EvictRequest(), options: attempt.options)
        }
        await calls.channels.shutdown()
        #expect(!mayBeDone(after: try #require(error)), "\(String(describing: error))")
        #expect(mayBeDone(after: LostAnswer()))
        #expect(mayBeDone(after: Refusal(.outcomeUnknown, "")))
        #expect(!mayBeDone(after: Refusal(.noLeader, "")))
    }
}
