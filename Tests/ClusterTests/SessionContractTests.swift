import ClusterHarness
import GRPCCore
import LatchAPI
import LatchClient
import SwiftProtobuf
import Testing

@Suite("Session contract (S rows)")
struct SessionContractTests {
    @Test("S1: Create answers a session id above zero and the same number as index")
    func createReturnsAnIndex() async throws {
        try await onEveryNode("s1") { connection, name in
            let header = try await LatchCaller(connection, name: name).create().header
            #expect(header.sessionID > 0)
            #expect(header.index == header.sessionID)
            #expect(header.streamID == 0 && header.responseID == 0)
        }
    }

    @Test("S2: every later response carries the same session id or 0")
    func sessionIdNeverGrows() async throws {
        try await onEveryNode("s2") { connection, name in
            let caller = LatchCaller(connection, name: name)
            let session = try await caller.create().header.sessionID
            try await #expect(caller.latch("p").header.sessionID == session)
            try await #expect(caller.get().header.sessionID == session)
            try await #expect(caller.keepAlive().header.sessionID == session)
            try await #expect(caller.close().header.sessionID == session)
            try await #expect(caller.close(delete: true).header.sessionID == 0)
        }
    }

    @Test("S3: without a timeout the server's default holds")
    func defaultTimeout() async throws {
        try await onEveryNode("s3") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await #expect(caller.create(timeout: nil).header.sessionID > 0)
            try await #expect(caller.latch("p").header.status == .ok)
        }
    }

    @Test("S4, S5: only keep-alives refresh a session; other calls do not keep it")
    func onlyKeepAlivesRefresh() async throws {
        try await onEveryNode("s4") { connection, name in
            let kept = LatchCaller(connection, name: name)
            let talking = LatchCaller(connection, name: name)
            try await kept.create(timeout: 700)
            try await talking.create(timeout: 700)
            _ = try await eventually("the end of the session that only talks", within: 10) {
                () -> Bool? in
                try await #expect(kept.keepAlive().header.status == .ok)
                return try await talking.get().header.status == .error ? true : nil
            }
            try await #expect(kept.get().header.status == .ok)
        }
    }

    @Test(
        "S6: a dead holder is removed although nobody else keeps alive, and never before its timeout"
    )
    func expiryIsProactive() async throws {
        try await onEveryNode("s6") { connection, name in
            let dead = LatchCaller(connection, name: name)
            let heir = LatchCaller(connection, name: name)
            try await heir.create()
            let began = ContinuousClock.now
            try await dead.create(timeout: 800)
            try await dead.latch("dead")
            try await heir.latch("heir")
            try await heir.events { frames in
                let last = try await frames.wait(for: 2)[1]
                #expect(ContinuousClock.now - began >= .milliseconds(800))
                #expect(last.latch.leader == "heir")
                #expect(last.latch.id == 2)
                #expect(last.latch.participants == ["heir"])
            }
        }
    }

    @Test("S6: two sessions that expire together make one step of the term (Clarified c)")
    func expiryTogether() async throws {
        try await onEveryNode("s6b") { connection, name in
            let heir = LatchCaller(connection, name: name)
            let (one, two) = (
                LatchCaller(connection, name: name), LatchCaller(connection, name: name)
            )
            try await heir.create()
            try await one.create(timeout: 600)
            try await two.create(timeout: 600)
            try await one.latch("one")
            try await two.latch("two")
            try await heir.latch("heir")
            let latch = try await eventually("heir alone") { () -> Atomix_Leader_Latch? in
                let latch = try await heir.get().latch
                return latch.participants == ["heir"] ? latch : nil
            }
            #expect(latch.leader == "heir")
            #expect((2...3).contains(latch.id))
        }
    }

    @Test(
        "S8: a closing session gets CLOSE_STREAM, the others one CHANGED, and the closed one not that event"
    )
    func closeOrder() async throws {
        try await onEveryNode("s8") { connection, name in
            let (leaver, stayer) = (
                LatchCaller(connection, name: name), LatchCaller(connection, name: name)
            )
            try await leaver.create()
            try await stayer.create()
            try await leaver.latch("leaver")
            try await stayer.latch("stayer")
            try await leaver.events(index: leaver.index) { own in
                try await own.wait(for: 1)
                try await stayer.events { others in
                    try await others.wait(for: 1)
                    try await leaver.close()
                    try await own.waitForEnd()
                    let last = own.frames.last
                    #expect(last?.header.type == .closeStream)
                    #expect(own.frames.allSatisfy { $0.latch.leader != "stayer" })
                    let changed = try await others.wait(for: 2)[1]
                    #expect(changed.latch.leader == "stayer")
                    #expect(changed.latch.id == 2)
                }
            }
        }
    }

    @Test("S9: closing an unknown or closed session is OK and echoes it")
    func closeIsIdempotent() async throws {
        try await onEveryNode("s9") { connection, name in
            let caller = LatchCaller(connection, name: name)
            let session = try await caller.create().header.sessionID
            for _ in 0..<2 {
                let header = try await caller.close().header
                #expect(header.status == .ok)
                #expect(header.sessionID == session)
            }
        }
    }

    @Test(
        "S10: delete always succeeds, ends the other sessions' streams, and the next latch starts at term 0"
    )
    func deleteRemovesEverything() async throws {
        try await onEveryNode("s10") { connection, name in
            let (one, two) = (
                LatchCaller(connection, name: name), LatchCaller(connection, name: name)
            )
            try await one.create()
            try await two.create()
            try await one.latch("one")
            try await two.events { frames in
                try await frames.wait(for: 1)
                try await one.close()
                try await #expect(one.close(delete: true).header.status == .ok)
                try await frames.waitForEnd()
                #expect(frames.frames.last?.header.type == .closeStream)
            }
            try await #expect(two.get().header.status == .error)
            try await #expect(one.close(delete: true).header.status == .ok)
            let again = LatchCaller(connection, name: name)
            try await again.create()
            try await #expect(again.get().latch == Atomix_Leader_Latch())
        }
    }

    @Test(
        "S11: an unknown session gets status ERROR, and on Events a stream that opens, fails and ends"
    )
    func unknownSession() async throws {
        try await onEveryNode("s11") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await caller.create()
            try await caller.close()
            try await #expect(caller.keepAlive().header.status == .error)
            try await #expect(caller.latch("p").header.status == .error)
            try await #expect(caller.get().header.status == .error)
            try await caller.events { frames in
                try await frames.waitForEnd()
                let headers = frames.frames.map(\.header)
                #expect(headers.map(\.type) == [.openStream, .response])
                #expect(headers.map(\.responseID) == [1, 2])
                #expect(headers.last?.status == .error)
                #expect(frames.frames.last?.hasLatch == true)
            }
        }
    }

    @Test("a session belongs to the primitive that it was created on (Clarified g)")
    func sessionOfAnotherPrimitive() async throws {
        try await onEveryNode("other") { connection, name in
            let caller = LatchCaller(connection, name: name)
            let session = try await caller.create().header.sessionID
            let elsewhere = LatchCaller(connection, name: name + "-elsewhere")
            try await #expect(elsewhere.keepAlive(session: session).header.status == .error)
            try await #expect(elsewhere.latch("p", session: session).header.status == .error)
            try await #expect(elsewhere.get(session: session).header.status == .error)
        }
    }
}
