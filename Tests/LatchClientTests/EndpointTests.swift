import Testing

@testable import LatchClient

@Suite("Addresses")
struct EndpointTests {
    @Test(
        "host:port and [ipv6]:port are read and shown alike",
        arguments: ["127.0.0.1:7401", "node-1.example:1", "[::1]:65535", "[fe80::1%eth0]:7401"])
    func reads(text: String) throws {
        let endpoint = try #require(Endpoint(text))
        #expect(endpoint.description == text)
        #expect(Endpoint(endpoint.description) == endpoint)
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", ":", "host", "host:", ":7401", "host:0", "host:65536", "host:-1", "host:+1",
            "::1:7401", "ho st:1", "http://host:1", "host:1,host:2", "host:99999999999999999999",
            "[]:1", "[::1]", "host:١",
        ])
    func refuses(text: String) {
        #expect(Endpoint(text) == nil)
    }

    @Test(
        "only what the system takes for an address literal counts as one",
        arguments: [
            ("127.0.0.1:1", Endpoint.Literal.ipv4), ("[::1]:1", .ipv6), ("localhost:1", nil),
            ("7401:7401", nil), ("1.2.3:4", nil), ("256.1.1.1:1", nil),
        ])
    func literals(text: String, literal: Endpoint.Literal?) throws {
        #expect(try #require(Endpoint(text)).literal == literal)
    }
}

@Suite("Order of nodes")
struct EndpointRotationTests {
    private let nodes = ["a:1", "b:1", "c:1"].compactMap { Endpoint($0) }

    @Test("the node that answered last is asked first")
    func remembersTheGoodOne() {
        var rotation = EndpointRotation(nodes)
        #expect(rotation.order() == nodes)
        rotation.succeeded(nodes[1])
        #expect(rotation.order() == [nodes[1], nodes[2], nodes[0]])
    }

    @Test("nodes that failed come last, the longest-ago failure first among them")
    func failedNodesComeLast() {
        var rotation = EndpointRotation(nodes)
        rotation.failed(nodes[0])
        #expect(rotation.order() == [nodes[1], nodes[2], nodes[0]])
        rotation.failed(nodes[1])
        #expect(rotation.order() == [nodes[2], nodes[0], nodes[1]])
        rotation.failed(nodes[2])
        #expect(rotation.order() == [nodes[0], nodes[1], nodes[2]])
        rotation.succeeded(nodes[0])
        #expect(rotation.order() == [nodes[0], nodes[1], nodes[2]])
    }

    @Test("a wanted node is first, even one that is not in the list")
    func wanted() throws {
        let other = try #require(Endpoint("d:1"))
        let rotation = EndpointRotation(nodes)
        #expect(rotation.order(wanted: nodes[2]) == [nodes[2], nodes[0], nodes[1]])
        #expect(rotation.order(wanted: other) == [other] + nodes)
    }

    @Test("duplicates count once; every start is in the list", arguments: [0, 1, 5, -4, .min + 1])
    func duplicatesAndStarts(start: Int) {
        let rotation = EndpointRotation(nodes + nodes, startingAt: start)
        #expect(rotation.endpoints == nodes)
        #expect(Set(rotation.order()) == Set(nodes))
    }
}

@Suite("Back-off")
struct BackoffTests {
    private let backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(1))

    @Test(
        "the bound doubles up to the maximum; the pause is between half of it and all of it",
        arguments: [(0, 50), (1, 100), (2, 200), (4, 800), (5, 1_000), (1_000, 1_000)])
    func pauses(round: Int, boundMilliseconds: Int) {
        let bound = Duration.milliseconds(boundMilliseconds)
        #expect(backoff.pause(afterRound: round, random: 0) == bound / 2)
        #expect(backoff.pause(afterRound: round, random: 1) == bound)
        let middle = backoff.pause(afterRound: round, random: 0.5)
        #expect(middle > bound / 2 && middle < bound)
    }
}
