import BinaryCoding
import LocalMachine
import NIOCore
import PeerTransport
import RaftCore
import Testing

@Suite("The handshake refuses strangers (N14, N16)", .serialized)
struct HandshakeTests {
    struct Difference: Sendable {
        let change: @Sendable (inout Hello) -> Void
        let code: HandshakeRefusal.Code
        let text: String

        init(
            _ code: HandshakeRefusal.Code, _ text: String,
            _ change: @escaping @Sendable (inout Hello) -> Void
        ) {
            self.change = change
            self.code = code
            self.text = text
        }
    }

    static let differences = [
        Difference(
            .wrongCluster,
            "server 2 is of cluster \"prod?[2J\" (0xc2), server 1 of \"test\" (0xc1)"
        ) {
            $0.clusterID = 0xC2
            $0.clusterName = "prod\u{1B}[2J"
        },
        Difference(.wrongReceiver, "server 2 wants server 3, this is 1") {
            $0.receiver = ServerID(3)
        },
        Difference(.claimsOwnID, "both sides say they are server 1") { $0.sender = ServerID(1) },
        Difference(.unknownSender, "server 9 is no member for server 1, whose peers are 2") {
            $0.sender = ServerID(9)
        },
        Difference(
            .memberDigestDiffers,
            "the member lists of server 2 (digest 0xbad) and server 1 (0xd16e570000000001) differ"
        ) { $0.memberDigest = 0xBAD },
        Difference(.noCommonVersion, "server 2 speaks peer protocol 2...3, server 1 speaks 1...1") {
            $0.protocolVersions = 2...3
        },
        Difference(.noCommonVersion, "server 2 speaks peer protocol 0...0, server 1 speaks 1...1") {
            $0.protocolVersions = 0...0
        },
    ]

    @Test(
        "each difference has its refusal, with both sides' values, on the wire and in the events",
        arguments: differences.indices)
    func refusal(_ index: Int) async throws {
        let difference = HandshakeTests.differences[index]
        try await withOne { one, port in
            let raw = try await RawPeer.connect(toPort: port)
            var hello = hello()
            difference.change(&hello)
            var bytes = ByteBuffer()
            hello.write(to: &bytes)
            try await raw.send(bytes)
            let answer = try await raw.answer()
            #expect(
                answer == .failure(HandshakeRefusal(code: difference.code, text: difference.text)))
            #expect(await raw.waitForClose())
            #expect(one.refusals == ["refused 127.0.0.1: \(difference.text)"])
        }
    }

    @Test("the highest common version is chosen")
    func version() throws {
        var rules = HandshakeRules(
            protocolVersions: 2...4, clusterID: 0xC1, clusterName: "test",
            serverID: ServerID(1), peers: [ServerID(2)], memberDigest: digestOfMembers,
            linkTimeoutMilliseconds: 100)
        for (offered, chosen): (ClosedRange<UInt16>, UInt16) in [
            (1...3, 3), (2...9, 4), (4...4, 4),
        ] {
            var hello = hello()
            hello.protocolVersions = offered
            #expect(try rules.judge(hello).get() == chosen)
        }
        rules.protocolVersions = 1...1
        #expect(try rules.judge(hello()).get() == 1)
    }

    @Test("the dialler reports a refusal once, keeps trying, and is let in when the cause is gone")
    func dialler() async throws {
        let ports = (FreePorts.takeOne(), FreePorts.takeOne())
        let one = configuration(1, port: ports.0, peers: [(2, ports.1)]) {
            $0.reconnectDelayMilliseconds = 5...20
        }
        let stranger = configuration(2, port: ports.1, peers: [(1, ports.0)]) {
            $0.memberDigest = 0xBAD
        }
        try await withNodes([one]) { nodes in
            let one = nodes[0]
            let refused = TestNode(stranger)
            try await refused.transport.start()
            #expect(await eventually { refused.refusals.count >= 3 })
            await refused.transport.shutdown()
            let told = one.refusals.filter { $0.contains("refused us") }
            #expect(told.count == 1)

            let welcome = TestNode(configuration(2, port: ports.1, peers: [(1, ports.0)]))
            try await welcome.transport.start()
            #expect(await eventually { one.saw(.linkUp(ServerID(2))) })
            await welcome.transport.shutdown()
        }
    }

    @Test("another server at a peer's address is refused on identity (N19)")
    func impostor() async throws {
        let port = FreePorts.takeOne()
        let three = configuration(3, port: port, peers: [(1, 1)])
        try await withNodes([three]) { _ in
            try await withNodes([configuration(1, port: 0, peers: [(2, port)])]) { nodes in
                #expect(await eventually { nodes[0].refusals.count == 1 })
                #expect(
                    nodes[0].refusals.first
                        == "127.0.0.1:\(port): server 2 refused us: "
                        + "server 1 wants server 2, this is 3")
            }
        }
    }

    @Test("bytes of another protocol get a reason and a closed connection")
    func otherProtocol() async throws {
        try await withOne { one, port in
            let raw = try await RawPeer.connect(toPort: port)
            try await raw.send(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: latchd\r\n\r\n"))
            guard case .failure(let refusal)? = try await raw.answer() else {
                Issue.record("no refusal")
                return
            }
            #expect(refusal.code == .notAHello)
            #expect(await raw.waitForClose())
            #expect(await eventually { one.violations.count == 1 })
        }
    }

    @Test("who does not finish the handshake in time is closed (N10)")
    func slowLoris() async throws {
        try await withOne(configure: { $0.handshakeTimeoutMilliseconds = 100 }) { one, port in
            let silent = try await RawPeer.connect(toPort: port)
            let slow = try await RawPeer.connect(toPort: port)
            var bytes = ByteBuffer()
            hello().write(to: &bytes)
            for byte in bytes.readableBytesView.prefix(20) {
                await slow.sendIfPossible(ByteBuffer(bytes: [byte]))
            }
            #expect(await silent.waitForClose())
            #expect(await slow.waitForClose())
            #expect(one.violations.count == 2)
        }
    }

    @Test("a storm of strangers is capped, and a peer still gets in (N17)")
    func storm() async throws {
        try await withOne(configure: {
            $0.maximumUnauthenticatedConnectionsPerAddress = 8
        }) { one, port in
            var strangers: [RawPeer] = []
            for _ in 0..<50 { strangers.append(try await RawPeer.connect(toPort: port)) }
            let all = strangers
            #expect(await eventually { all.count { !$0.isClosed } <= 8 })
            let peer = try await RawPeer.connect(toPort: port)
            let seal = try await peer.shakeHands(hello())
            #expect(seal != nil)
            // Rate-limited: 42 evictions, at most a burst of events.
            #expect(one.violations.count <= 10)
            for stranger in all { await stranger.close() }
        }
    }
}

/// Runs `body` with server 1 of two, the second of which is played by the test.
func withOne(
    configure: (inout PeerTransport.Configuration) -> Void = { _ in },
    _ body: (TestNode, _ port: Int) async throws -> Void
) async throws {
    var one = configuration(1, port: 0, peers: [(2, FreePorts.takeOne())])
    configure(&one)
    try await withNodes([one]) { nodes in
        let port = try await nodes[0].onLoop { $0.boundPort }
        try await body(nodes[0], port ?? 0)
    }
}
