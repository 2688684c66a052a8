import Foundation
import LatchClient
import Logging
import ServiceLifecycle

/// A worker of which one works at a time, on however many machines it is started.
///
///     ENDPOINTS=127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403 swift run worker
///
/// It writes a line for each step: its fencing token, and who did it.
@main
struct Worker {
    static func main() async throws {
        let environment = ProcessInfo.processInfo.environment
        let endpoints = environment["ENDPOINTS"] ?? "127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403"
        let name = environment["NAME"] ?? "\(ProcessInfo.processInfo.hostName)-\(getpid())"

        let cluster = try LatchCluster(
            endpoints: endpoints.split(separator: ",").map(String.init))
        var configuration = Latch.Configuration()
        configuration.participant = name
        configuration.ttl = .seconds(environment["TTL"].flatMap(Double.init) ?? 5)
        let latch = try Latch("swift-worker", on: cluster, configuration: configuration) { grant in
            // Cancelled when the latch is lost and when the service is to end. A step that is under
            // way when the time is over still ends after it: only what is written to can refuse
            // that, by the token (Examples/fencing).
            while grant.isValid, !Task.isCancelled {
                say("\(grant.fencingToken) \(name) works")
                try? await Task.sleep(for: .milliseconds(100))
            }
            say("\(grant.fencingToken) \(name) stops")
        }

        // SIGTERM ends the work, leaves the latch, then closes the connections: the next worker
        // need not wait for the TTL.
        let group = ServiceGroup(
            services: [cluster, latch], gracefulShutdownSignals: [.sigterm, .sigint],
            logger: Logger(label: "worker"))
        try await group.run()
    }

    private static func say(_ line: String) {
        FileHandle.standardOutput.write(Data("\(line)\n".utf8))
    }
}
