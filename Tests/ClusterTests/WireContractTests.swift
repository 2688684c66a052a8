import ClusterHarness
import GRPCCore
import LatchAPI
import LatchClient
import SwiftProtobuf
import Testing

@Suite("Wire contract (W rows)")
struct WireContractTests {
    @Test("W1: every response carries its header, even when every field in it is zero")
    func headerIsAlwaysPresent() async throws {
        try await onEveryNode("w1") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await #expect(caller.create().hasHeader)
            try await #expect(caller.latch("p").hasHeader)
            try await #expect(caller.get().hasHeader)
            try await #expect(caller.keepAlive().hasHeader)
            try await #expect(caller.close().hasHeader)
            let deleted = try await caller.close(delete: true)
            #expect(deleted.hasHeader)
            #expect(deleted.header == Atomix_Headers_ResponseHeader())
        }
    }

    @Test("W2: an OK Latch, Get and every event carries a latch, also when it is empty")
    func latchIsAlwaysPresent() async throws {
        try await onEveryNode("w2") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await caller.create()
            let empty = try await caller.get()
            #expect(empty.hasLatch)
            #expect(empty.latch == Atomix_Leader_Latch())
            try await caller.events { frames in
                try await frames.wait(for: 1)
                try await #expect(caller.latch("p").hasLatch)
                let event = try await frames.wait(for: 2)[1]
                #expect(event.hasLatch)
                #expect(event.latch.leader == "p")
            }
        }
    }

    @Test("W3: failures are status ERROR inside an OK call, with the reason in trailing metadata")
    func failuresAreInsideTheHeader() async throws {
        try await onEveryNode("w3") { connection, name in
            let caller = LatchCaller(connection, name: name)
            var request = Atomix_Leader_LatchRequest()
            request.header = caller.header(requestID: 1, session: 4_000_000_000)
            request.participantID = "p"
            let (status, reason) = try await connection.latch.latch(request) { response in
                (try response.message.header.status, response.trailingMetadata.reason)
            }
            #expect(status == .error)
            #expect(reason == "unknown-session")
        }
    }

    @Test(
        "a request without a header or a name, or that does not decode, is INVALID_ARGUMENT (Clarified e, h)"
    )
    func malformedRequests() async throws {
        try await onEveryNode("malformed") { connection, _ in
            for header in [nil, Atomix_Headers_RequestHeader()] {
                var request = Atomix_Leader_GetRequest()
                if let header { request.header = header }
                let error = await #expect(throws: RPCError.self) {
                    _ = try await connection.latch.get(request)
                }
                #expect(error?.code == .invalidArgument)
            }
        }
    }

    @Test(
        "names, participants and timeouts past a limit get status ERROR (invalid), never a trap (A2, A3)"
    )
    func limits() async throws {
        try await onEveryNode("limits") { connection, name in
            let long = LatchCaller(connection, name: String(repeating: "x", count: 2_000))
            try await #expect(long.create().header.status == .error)
            let caller = LatchCaller(connection, name: name)
            for timeout in [0, -5_000, 1, 90_000_000] {
                try await #expect(caller.create(timeout: timeout).header.status == .error)
            }
            try await caller.create()
            try await #expect(
                caller.latch(String(repeating: "y", count: 2_000)).header.status == .error)
        }
    }

    @Test(
        "names are any text: NUL, dots, newlines and combining characters keep latches apart (A2)")
    func anyText() async throws {
        try await onEveryNode("text") { connection, name in
            let odd = [
                "\(name)\0", "\(name).x", "\(name)\n", "../\(name)", "\(name)e\u{301}",
                "\(name)\u{e9}",
            ]
            for (position, text) in odd.enumerated() {
                let caller = LatchCaller(connection, name: text)
                try await caller.create()
                try await #expect(
                    caller.latch("p\(position)").latch.participants == ["p\(position)"])
            }
        }
    }
}
