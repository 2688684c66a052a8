import Testing

@testable import latchd

@Suite("Configuration: what nodes compare (O5)")
struct ConfigurationIdentityTests {
    @Test(
        "the cluster id is FNV-1a of the name",
        arguments: [
            ("", 0xCBF2_9CE4_8422_2325 as UInt64), ("a", 0xAF63_DC4C_8601_EC8C),
            ("foobar", 0x8594_4171_F739_67E8),
        ])
    func knownHashes(text: String, hash: UInt64) {
        #expect(fnv1a(text.utf8) == hash)
    }

    @Test(
        "member lines are in the order of ids, whatever the file's order, and hold peer addresses")
    func memberLines() throws {
        let lines = three.split(separator: "\n")
        let shuffled = (lines.prefix(4) + lines.dropFirst(4).reversed()).joined(separator: "\n")
        let settings = try load(shuffled).configuration
        #expect(settings.memberLines == ["1=a:7301", "2=b:7301", "3=c:7301"])
        #expect(settings.memberDigest == fnv1a("1=a:7301\n2=b:7301\n3=c:7301\n".utf8))
        #expect(try settings.memberDigest == load(three).configuration.memberDigest)
    }

    @Test("another peer address, another id or another name is another cluster")
    func differences() throws {
        let base = try load(three).configuration
        let moved = try load(three.replacing("c:7301", with: "d:7301")).configuration
        let renamed = try load(three.replacing("demo", with: "demo2")).configuration
        let clients = try load(three.replacing("c:7401", with: "d:7401")).configuration
        #expect(base.memberDigest != moved.memberDigest)
        #expect(base.clusterID != renamed.clusterID)
        #expect(base.memberDigest == clients.memberDigest)
    }

    /// Nothing of it enters the state that all nodes share: its bounds are constants.
    @Test(
        "what may differ from node to node makes no strangers of them (O9)",
        arguments: [
            "raft: {heartbeat: 100ms, election_timeout: 900ms..1800ms}",
            "sessions: {grace: 7s}", "limits: {requests_in_flight: 10, request_timeout: 9s}",
            "snapshot: {every_entries: 500, keep_entries: 5}", "log: {level: debug}",
            "listen: {peer: \"0.0.0.0:7301\"}",
        ])
    func ownSettings(line: String) throws {
        let base = try load(three).configuration
        let other = try load(three + line + "\n").configuration
        #expect(other != base, "the line changes something")
        #expect(other.memberDigest == base.memberDigest && other.clusterID == base.clusterID)
    }

    @Test("members of different incarnations refuse each other; none is that of incarnation 0")
    func incarnations() throws {
        let base = try load(three).configuration
        let zero = try load(three + "incarnation: 0\n").configuration
        let raised = try load(three + "incarnation: 65535\n").configuration
        #expect(base.incarnation == 0 && raised.incarnation == 65_535)
        #expect(base.memberDigest == zero.memberDigest)
        #expect(base.memberDigest != raised.memberDigest)
        #expect(base.memberLines == raised.memberLines)
        let printed = ConfigurationPrinter.yaml(
            LoadedConfiguration(configuration: raised, warnings: []), file: "f.yaml")
        #expect(try load(printed).configuration == raised)
        #expect(problems(three + "incarnation: 65536\n").count == 1)
        #expect(problems(three + "incarnation: -1\n").count == 1)
    }
}
