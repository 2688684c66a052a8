@testable import latchd

/// Input: a YAML file. A refusal names a problem; what is accepted prints as a file that means the
/// same.
func fuzzConfiguration(_ input: [UInt8]) throws(FuzzFinding) {
    let loaded: LoadedConfiguration
    switch load(input) {
    case .success(let configuration):
        loaded = configuration
    case .failure(let failure):
        guard !failure.problems.isEmpty, !failure.description.isEmpty else {
            throw FuzzFinding("a file was refused without a reason")
        }
        return
    }
    guard loaded.configuration.ownMember != nil else {
        throw FuzzFinding("a node was accepted that is no member")
    }
    let printed = ConfigurationPrinter.yaml(loaded, file: "f.yaml")
    switch load(Array(printed.utf8)) {
    case .success(let again):
        guard again.configuration == loaded.configuration else {
            throw FuzzFinding("the printed settings differ:\n\(printed)")
        }
    case .failure(let failure):
        throw FuzzFinding("the printed settings are refused: \(failure)\n\(printed)")
    }
}

private func load(_ bytes: [UInt8]) -> Result<LoadedConfiguration, ConfigurationFailure> {
    do throws(ConfigurationFailure) {
        return .success(
            try ConfigurationLoader.parse(bytes, file: "f.yaml", directory: "/"))
    } catch {
        return .failure(error)
    }
}

let configurationSeeds: [[UInt8]] = [
    """
    cluster: demo
    node: 1
    data: ../data/node1
    members:
      - id: 1
        peer: 127.0.0.1:7301
        client: 127.0.0.1:7401
      - {id: 2, peer: "[::1]:7302", client: host.example:7402}
      - id: 3
        peer: 127.0.0.1:7303
        client: 127.0.0.1:7403
    """,
    """
    cluster: "one"
    node: 1
    data: /data
    listen:
      peer: 0.0.0.0:1
      client: 0.0.0.0:2
    members: [{id: 1, peer: a:1, client: a:2}]
    raft:
      heartbeat: 20ms
      election_timeout: 200ms..1s
      unreachable_leader_delay: 8ms
    sessions: {grace: 2s}
    limits:
      requests_in_flight: 5000
      event_streams: 500
      client_connections: 100
      request_timeout: 5s
      uncommitted_bytes: 64MiB
    snapshot: {every_entries: 1000, keep_entries: 100}
    log: {level: debug, format: json}
    """,
    "a: &a [1, 2]\nb: *a\n? c\n: !!int \"3\"\n--- |\n  text\n...\n",
].map { Array($0.utf8) }
