import Testing

@testable import latchd

@Suite("Configuration: rules between keys (O2 to O8)")
struct ConfigurationRuleTests {
    private func members(_ lines: [String], node: Int = 1) -> String {
        "cluster: demo\nnode: \(node)\ndata: /data\nmembers:\n"
            + lines.map { "  - {\($0)}\n" }.joined()
    }

    @Test("two members never share an id (O2)")
    func duplicateIDs() {
        let text = members([
            "id: 1, peer: \"a:1\", client: \"a:2\"", "id: 1, peer: \"b:1\", client: \"b:2\"",
        ])
        #expect(
            problems(text) == [
                "6:10: members[1].id: the id 1 is taken by members[0].id in line 5. Every member has its "
                    + "own."
            ])
    }

    @Test("an address is used once, whatever it is spelled like (O2, O7)")
    func duplicateAddresses() {
        let text = members([
            "id: 1, peer: \"localhost:1\", client: \"A:2\"",
            "id: 2, peer: \"127.0.0.1:1\", client: \"a:2\"",
            "id: 3, peer: \"c:1\", client: \"c:2\"",
        ])
        #expect(
            problems(text) == [
                "6:19: members[1].peer: 127.0.0.1:1 is the address of members[0].peer in line 5 as well. "
                    + "Every address is used once.",
                "6:42: members[1].client: a:2 is the address of members[0].client in line 5 as well. "
                    + "Every address is used once.",
            ])
    }

    @Test("the own id must be a member's (O3)")
    func ownIDAbsent() {
        let text = three.replacing("node: 1", with: "node: 9")
        #expect(
            problems(text) == [
                "2:7: node: this node is 9, but no member has that id. Set it to 1, 2 or 3, or add the "
                    + "member."
            ])
    }

    @Test("even clusters start with a warning that does the sum (O4)", arguments: [2, 4, 6])
    func evenClusters(count: Int) throws {
        let text = members(
            (1...count).map { "id: \($0), peer: \"n\($0):1\", client: \"n\($0):2\"" })
        let (fewer, more) = (count - 1, count + 1)
        #expect(
            try warnings(text) == [
                "5:3: members: \(count) members survive no more failures than \(fewer) "
                    + "(\(fewer / 2)) and need \(count / 2 + 1) for every change. Use \(fewer) or \(more)."
            ])
    }

    @Test("three, five and seven members need no comment; one does; eight are refused (O4)")
    func oddClusters() throws {
        func cluster(_ count: Int) -> String {
            members((1...count).map { "id: \($0), peer: \"n\($0):1\", client: \"n\($0):2\"" })
        }
        for count in [3, 5, 7] { #expect(try warnings(cluster(count)).isEmpty) }
        #expect(
            try warnings(cluster(1)) == [
                "5:3: members: one member: nothing takes over when this node stops."
            ])
        #expect(problems(cluster(8)) == ["5:3: members: 8 members; at most 7 are supported."])
        #expect(
            problems("cluster: a\nnode: 1\ndata: d\nmembers: []\n") == [
                "4:10: members: the list is empty; name at least this node."
            ])
    }

    @Test(
        "an address that nobody can dial is refused, one that only one machine can is warned of (O7)"
    )
    func undialable() throws {
        let wildcard = three.replacing("b:7301", with: "0.0.0.0:7301")
        #expect(
            problems(wildcard) == [
                "6:19: members[1].peer: 0.0.0.0 is no address that others can dial. Write this member's "
                    + "name or IP address; to listen on all interfaces, use the key \"listen\"."
            ])
        let loopback = three.replacing("b:7301", with: "127.0.0.1:7301")
        #expect(
            try warnings(loopback) == [
                "6:19: members[1].peer: 127.0.0.1 means another machine on every machine, but other "
                    + "members are elsewhere; they will not reach this one."
            ])
    }

    @Test("peers and clients do not share a port")
    func listen() throws {
        let both = three + "listen: {peer: \"0.0.0.0:7000\", client: \"10.0.0.1:7000\"}\n"
        #expect(
            problems(both) == [
                "8:40: listen.client: peers (0.0.0.0:7000) and clients (10.0.0.1:7000) need different "
                    + "ports."
            ])
        let settings = try load(three + "listen: {peer: \"0.0.0.0:7000\"}\n").configuration
        #expect(settings.peerListen.description == "0.0.0.0:7000")
        #expect(settings.clientListen.description == "a:7401")
    }

    @Test(
        "timeouts fit each other (O8)",
        arguments: [
            (
                "heartbeat: 100ms",
                "9:14: raft.heartbeat: the election timeout starts at 300ms with heartbeats every 100ms. It "
                    + "needs at least 5 heartbeats: 500ms or more, or faster heartbeats."
            ),
            (
                "election_timeout: 200ms..400ms",
                "9:21: raft.election_timeout: the election timeout starts at 200ms with heartbeats every "
                    + "50ms. It needs at least 5 heartbeats: 250ms or more, or faster heartbeats."
            ),
            (
                "election_timeout: 300ms..310ms",
                "9:21: raft.election_timeout: all election timeouts would be alike, so votes split (§5.2). "
                    + "The second duration is best twice the first, at least 350ms."
            ),
            (
                "election_timeout: 0ms..600ms",
                "9:21: raft.election_timeout: 0ms is too little; allowed is 50ms to 2m."
            ),
        ])
    func timeouts(line: String, expected: String) {
        #expect(problems(three + "raft:\n  \(line)\n") == [expected])
    }

    @Test("doubtful timeouts are warned of and used")
    func doubtfulTimeouts() throws {
        #expect(
            try warnings(three + "raft: {election_timeout: 300ms..400ms}\n") == [
                "8:26: raft.election_timeout: the range is narrow, so votes will split often (§5.2). Best "
                    + "is 300ms..600ms."
            ])
        #expect(
            try warnings(three + "limits: {request_timeout: 1s}\n") == [
                "8:27: limits.request_timeout: calls give up after 1s, before a failover (1200ms, twice "
                    + "the longest election timeout) is over."
            ])
    }

    @Test("one address has nine tenths of the connections unless the file says otherwise (N17)")
    func connectionsOfOneAddress() throws {
        func perAddress(_ limits: String) throws -> Int {
            try load(three + "limits: {\(limits)}\n").configuration.limits
                .clientConnectionsPerAddress
        }
        #expect(try perAddress("client_connections: 200") == 180)
        #expect(
            try perAddress("client_connections: 200, client_connections_per_address: 20") == 20)
        #expect(
            try warnings(three + "limits: {client_connections_per_address: 20000}\n") == [
                "8:42: limits.client_connections_per_address: one address may open more connections "
                    + "(20000) than the node takes of all (client_connections: 10000), so it has no "
                    + "limit of its own."
            ])
    }
}
