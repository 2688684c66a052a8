import Testing

@testable import latchd

@Suite("Configuration: the status site")
struct ConfigurationStatusTests {
    private func text(status: String, member: String) -> String {
        """
        cluster: demo
        node: 1
        data: /data
        \(status)
        members:
          - {id: 1, peer: "127.0.0.1:7301", client: "127.0.0.1:7401"\(member)}
          - {id: 2, peer: "127.0.0.1:7302", client: "127.0.0.1:7402"}
          - {id: 3, peer: "127.0.0.1:7303", client: "127.0.0.1:7403"}
        """
    }

    private func load(_ text: String) throws -> NodeConfiguration {
        try ConfigurationLoader.parse(Array(text.utf8), file: "x", directory: "/").configuration
    }

    @Test(
        "there is no site unless an address is given: the own key first, then the member's",
        arguments: [
            ("", "", nil), ("status: 0.0.0.0:7501", "", "0.0.0.0:7501"),
            ("", ", status: \"127.0.0.1:7501\"", "127.0.0.1:7501"),
            ("status: 0.0.0.0:7501", ", status: \"127.0.0.1:7502\"", "0.0.0.0:7501"),
        ] as [(String, String, String?)])
    func address(status: String, member: String, expected: String?) throws {
        let configuration = try load(text(status: status, member: member))
        #expect(configuration.statusListen?.description == expected)
        let printed = ConfigurationPrinter.yaml(
            LoadedConfiguration(configuration: configuration, warnings: []), file: "x")
        #expect(try load(printed) == configuration)
    }

    @Test("it has a port of its own", arguments: ["127.0.0.1:7401", "127.0.0.1:7301"])
    func collision(address: String) {
        #expect(throws: ConfigurationFailure.self) {
            try load(text(status: "status: \(address)", member: ""))
        }
    }

    @Test("where the others' pages are is no part of the members that must agree")
    func digest() throws {
        let without = try load(text(status: "", member: ""))
        let with = try load(text(status: "", member: ", status: \"127.0.0.1:7501\""))
        #expect(without.memberDigest == with.memberDigest)
    }
}
