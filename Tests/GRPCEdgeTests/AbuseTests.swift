import GRPCEdge
import Testing

extension GRPCEdgeTests {
    /// While one client abuses the port, the others are served and memory stays bounded.
    @Suite struct Abuse {
        enum Flood: String, CaseIterable, Sendable {
            case rapidReset, settings, ping, emptyData, windowUpdate, continuation, largeHeaders
            /// MadeYouReset (CVE-2025-8671): the client makes us reset its calls. More of a body
            /// than was announced, and more window than there may be.
            case bodyTooLong, windowTooLarge

            /// The frames of one burst; `first` is the number of its first frame.
            func burst(_ first: Int, count: Int) -> [UInt8] {
                (first..<first + count).flatMap { frame($0) }
            }

            private func frame(_ number: Int) -> [UInt8] {
                let stream = UInt32(2 * number + 1)
                switch self {
                case .rapidReset:
                    return RawPeer.open("/t.T/Hold", stream: stream)
                        + RawPeer.frame(3, flags: 0, stream: stream, [0, 0, 0, 8])
                case .settings:
                    return RawPeer.frame(4, flags: 0, stream: 0, [0, 1, 0, 0, 16, 0])
                case .ping:
                    return RawPeer.frame(6, flags: 0, stream: 0, [1, 2, 3, 4, 5, 6, 7, 8])
                case .emptyData:
                    return number == 0
                        ? RawPeer.open("/t.T/Chat", stream: 1)
                        : RawPeer.frame(0, flags: 0, stream: 1, [])
                case .windowUpdate:
                    return number == 0
                        ? RawPeer.open("/t.T/Chat", stream: 1)
                        : RawPeer.frame(8, flags: 0, stream: 1, [0, 0, 0, 1])
                case .continuation:
                    return number == 0
                        ? RawPeer.frame(1, flags: 0, stream: 1, RawPeer.requestBlock("/t.T/Echo"))
                        : RawPeer.frame(9, flags: 0, stream: 1, RawPeer.field("x", "y"))
                case .largeHeaders:
                    return RawPeer.frame(1, flags: 4, stream: stream, Self.largeBlock)
                case .bodyTooLong:
                    return RawPeer.frame(1, flags: 4, stream: stream, Self.shortBlock)
                        + RawPeer.frame(0, flags: 0, stream: stream, [0, 0])
                case .windowTooLarge:
                    return RawPeer.open("/t.T/Hold", stream: stream)
                        + RawPeer.frame(0, flags: 1, stream: stream, [0, 0, 0, 0, 0])
                        + RawPeer.frame(8, flags: 0, stream: stream, [0x7F, 0xFF, 0xFF, 0xFF])
                }
            }

            /// Of a call with more than 16 KiB of headers, which is reset.
            private static let largeBlock: [UInt8] = {
                let filler = String(repeating: "z", count: 80)
                let fields = (0..<150).flatMap { RawPeer.field("x-\($0)", filler) }
                return RawPeer.requestBlock("/t.T/Hold") + fields
            }()

            private static let shortBlock =
                RawPeer.requestBlock("/t.T/Chat") + RawPeer.field("content-length", "1")

            /// Frames of one burst: large ones fill the socket sooner.
            var perBurst: Int { self == .largeHeaders ? 50 : 500 }

            /// How the GOAWAY may say why. Newer versions of libnghttp2 end the connection at the
            /// first window that is too large.
            var endings: [[UInt32]] {
                let calm = [RawPeer.enhanceYourCalm]
                return self == .windowTooLarge ? [calm, [RawPeer.flowControlError]] : [calm]
            }
        }

        @Test(
            "a flood ends with GOAWAY, ENHANCE_YOUR_CALM (RFC 9113 §7); others are served meanwhile",
            arguments: Flood.allCases)
        func flood(_ flood: Flood) async throws {
            try await withServer { test in
                let honest = try HTTP2Client(port: test.port)
                _ = try honest.call("/t.T/Echo", [1])
                let before = residentBytes()
                let peer = try RawPeer(port: test.port)
                let count = flood.perBurst
                for burst in 0..<60 {
                    let isTaken = peer.send(flood.burst(burst * count, count: count))
                    // The honest client's call stands in line behind what the flood has sent.
                    #expect(try honest.call("/t.T/Echo", [2]).messages == [[2]])
                    guard isTaken else { break }
                }
                try peer.waitForClose()
                #expect(flood.endings.contains(peer.goAwayCodes), "\(peer.goAwayCodes)")
                #expect(test.service.hostileReasons.count == 1)
                // The first client's connection has outlived it, and a new one is taken.
                #expect(try honest.call("/t.T/Echo", [3]).messages == [[3]])
                try test.expectServes()
                #expect(test.service.opened == test.service.cancelled)
                #expect(residentBytes() - before < 64 << 20)
            }
        }

        @Test("who opens no window stalls only itself, and what waits for it has a bound")
        func zeroWindow() async throws {
            try await withServer {
                $0.maximumBufferedBytesPerConnection = 8 << 20
            } _: { test in
                let before = residentBytes()
                let peer = try RawPeer(port: test.port)
                peer.send(RawPeer.frame(4, flags: 0, stream: 0, [0, 4, 0, 0, 0, 0]))
                for number in 0..<200 {
                    let stream = UInt32(2 * number + 1)
                    peer.send(
                        RawPeer.open("/t.T/Flood", stream: stream)
                            + RawPeer.frame(0, flags: 1, stream: stream, [0, 0, 0, 0, 0]))
                }
                // 200 calls want 120 MB; past 8 MB they are reset.
                try eventually("calls are reset") {
                    peer.receive()
                    return test.service.cancelled > 100
                }
                #expect(residentBytes() - before < 64 << 20)
                try test.expectServes()
            }
        }

        @Test("a finished answer that its client opens no window for is dropped in time")
        func unreadEnd() async throws {
            try await withServer {
                $0.requestTimeoutMilliseconds = 200
            } _: { test in
                let peer = try RawPeer(port: test.port)
                try peer.waitForSettings()
                // Acknowledged: from now on the window of a stream is 1 MiB. That of the answers
                // stays at 64 KiB, of all streams together.
                peer.send(RawPeer.frame(4, flags: 1, stream: 0, []))
                let body = [UInt8](repeating: 3, count: 16_000)
                for stream in [1, 3, 5] as [UInt32] {
                    var bytes = RawPeer.open("/t.T/Echo", stream: stream)
                    bytes += RawPeer.frame(0, flags: 0, stream: stream, [0, 0, 1, 0x77, 0] + body)
                    for number in 1..<6 {
                        let flags: UInt8 = number == 5 ? 1 : 0
                        bytes += RawPeer.frame(0, flags: flags, stream: stream, body)
                    }
                    peer.send(bytes)
                }
                try eventually("each of the three is reset") {
                    peer.receive()
                    return peer.resetCodes.count == 3
                }
                #expect(Set(peer.resetCodes) == [RawPeer.enhanceYourCalm])
                // The connection itself goes on, and has room for small answers again.
                let more = RawPeer.frame(8, flags: 0, stream: 0, [0, 1, 0, 0])
                let answers = peer.frameTypes.filter { $0 == 0 }.count
                peer.send(
                    more + RawPeer.open("/t.T/Echo", stream: 7)
                        + RawPeer.frame(0, flags: 1, stream: 7, [0, 0, 0, 0, 1, 5]))
                try eventually("an answer") {
                    peer.receive()
                    return peer.frameTypes.filter { $0 == 0 }.count > answers
                }
                #expect(peer.goAwayCodes.isEmpty)
                try test.expectServes()
            }
        }

        @Test("messages that wait for a client to read their answers do not wait for ever")
        func unreadAnswers() async throws {
            try await withServer {
                $0.requestTimeoutMilliseconds = 200
            } _: { test in
                let peer = try RawPeer(port: test.port)
                let message: [UInt8] = [0, 0, 0, 0, 16] + [UInt8](repeating: 3, count: 16)
                let body = Array(repeatElement(message, count: 700).joined())
                var bytes = RawPeer.open("/t.T/Echoes", stream: 1)
                for _ in 0..<4 { bytes += RawPeer.frame(0, flags: 0, stream: 1, body) }
                peer.send(bytes)
                try eventually("the call is reset") {
                    peer.receive()
                    return !peer.resetCodes.isEmpty
                }
                #expect(peer.resetCodes == [RawPeer.enhanceYourCalm])
                #expect(test.service.cancelled == 1)
                #expect(peer.goAwayCodes.isEmpty)
                try test.expectServes()
            }
        }

        @Test("one address leaves a tenth of the memory for requests in pieces to others")
        func requestShare() async throws {
            try await withServer {
                $0.maximumBufferedRequestBytes = 1 << 20
            } _: { test in
                // A request that says 1,000,000 bytes and sends what of them it is told to.
                func begin(_ client: HTTP2Client, bytes: Int) -> Int32 {
                    let id = client.open("/t.T/Echo")
                    let part = [UInt8](repeating: 1, count: bytes)
                    client.sendRaw([0, 0, 0x0F, 0x42, 0x40] + part, on: id)
                    return id
                }
                let greedy = try HTTP2Client(port: test.port, source: 2)
                var calls: [Int32] = []
                try greedy.run("its share is used up") {
                    if greedy.answers.values.contains(where: { $0.grpcStatus == 8 }) { return true }
                    if calls.allSatisfy({ greedy.unsentBytes(of: $0) == 0 }) {
                        calls.append(begin(greedy, bytes: 30_000))
                    }
                    return false
                }
                #expect(calls.count >= 30)
                let honest = try HTTP2Client(port: test.port, source: 3)
                let large = [UInt8](repeating: 9, count: 60_000)
                #expect(try honest.call("/t.T/Echo", large).messages == [large])
                for call in calls where greedy.answers[call]?.isClosed != true {
                    greedy.reset(call)
                }
                #expect(try greedy.call("/t.T/Echo", large).messages == [large])
            }
        }

        @Test("thousands of idle connections cost little, and the next client is served")
        func idleConnections() async throws {
            // Both ends are in this process, so each takes two descriptors.
            let limit = try raiseDescriptorLimit(to: 20_400)
            let count = min(10_000, (limit - 400) / 2)
            try #require(count >= 1_000, "ulimit -n is \(limit): that shows nothing")
            try await withServer {
                $0.maximumConnections = 20_000
                $0.maximumConnectionsPerAddress = 20_000
            } _: { test in
                let before = residentBytes()
                let idle = try (0..<count).map { _ in try RawPeer(port: test.port) }
                try eventually("all are open", within: .seconds(30)) {
                    test.server.openConnections == count
                }
                try test.expectServes()
                let each = (residentBytes() - before) / count
                // Most of it is the 64 KiB that NIO keeps for the next read.
                #expect(each < 128 << 10, "\(each) bytes a connection, both ends, of \(count)")
                #expect(idle.count == count)
                print("\(count) idle connections, \(each) bytes each for both ends")
            }
        }

        @Test("one address gets no more than its share, another one is served (N17)")
        func perAddress() async throws {
            try await withServer {
                $0.maximumConnectionsPerAddress = 10
            } _: { test in
                let first = try (0..<10).map { _ in try HTTP2Client(port: test.port, source: 2) }
                for client in first { _ = try client.call("/t.T/Echo") }
                for _ in 0..<20 { try RawPeer(port: test.port, source: 2).waitForClose() }
                try test.expectServes()
                #expect(test.service.events.contains(.connectionRefused(limit: 10)))
                #expect(try first[0].call("/t.T/Echo", [3]).messages == [[3]])
            }
        }

        @Test("unless configured, one address leaves a tenth of the places to others")
        func share() async throws {
            try await withServer {
                $0.maximumConnections = 20
            } _: { test in
                let clients = try (0..<18).map { _ in try HTTP2Client(port: test.port, source: 2) }
                for client in clients { _ = try client.call("/t.T/Echo") }
                try RawPeer(port: test.port, source: 2).waitForClose()
                try test.expectServes()
            }
        }

        @Test("a storm of 3,000 dials does not stop a client that is there (N17)")
        func storm() async throws {
            try await withServer { test in
                let honest = try HTTP2Client(port: test.port)
                for round in 0..<30 {
                    let dials = try (0..<100).map { _ in
                        try RawPeer(port: test.port, greets: false)
                    }
                    #expect(try honest.call("/t.T/Echo", [4]).messages == [[4]], "round \(round)")
                    #expect(dials.count == 100)
                }
                try eventually("all are gone") { test.server.openConnections == 1 }
            }
        }

        @Test(
            "without descriptors accepting pauses: no busy loop, calls go on, then it resumes (P6)")
        func descriptors() async throws {
            try await withServer { test in
                let honest = try HTTP2Client(port: test.port)
                _ = try honest.call("/t.T/Echo")
                let waiting: RawPeer = try withoutDescriptors(spare: 1) {
                    // Takes the last one; the kernel completes the connection, nobody accepts it.
                    let waiting = try RawPeer(port: test.port)
                    let began = processorMilliseconds()
                    let end = ContinuousClock.now + .milliseconds(400)
                    var calls = 0
                    while ContinuousClock.now < end {
                        #expect(try honest.call("/t.T/Echo", [5]).messages == [[5]])
                        calls += 1
                        _ = poll(milliseconds: 20)
                    }
                    #expect(calls > 5)
                    // A loop that tried on would have used all of the 400 ms.
                    #expect(processorMilliseconds() - began < 200)
                    return waiting
                }
                try eventually("it is accepted") { test.server.openConnections == 2 }
                try waiting.waitForSettings()
                try test.expectServes()
            }
        }
    }
}
