import Foundation
import NIOCore
import Testing

@testable import latchd

@Suite("What is shipped beside the program agrees with it")
struct ShippedUnitTests {
    /// The values of a key in a unit file, all its lines together.
    private func values(_ key: String, in file: String) throws -> [String] {
        try Repository.text(file).split(separator: "\n")
            .filter { $0.hasPrefix("\(key)=") }
            .flatMap { $0.dropFirst(key.count + 1).split(separator: " ").map(String.init) }
    }

    @Test("systemd restarts what a restart can mend, and nothing else")
    func restarts() throws {
        let hopeless = ExitStatus.allCases.filter { status in
            switch status {
            case .usage, .damagedData, .noData, .invariantViolated, .cannotCreateData,
                .diskFailure, .badConfiguration:
                true
            case .success, .addressUnavailable, .systemError, .dataInUse: false
            }
        }
        let unit = "Config/systemd/latchd.service"
        let prevented = try values("RestartPreventExitStatus", in: unit)
        #expect(prevented.compactMap { Int32($0) } == hopeless.map(\.rawValue))
        #expect(prevented.contains("SIGILL") && prevented.contains("SIGTRAP"))
        #expect(try values("Restart", in: unit) == ["on-failure"])
        #expect(try values("Type", in: unit) == ["notify"])
    }

    @Test("systemd waits for longer than a node needs to stop, and than READY's patience")
    func waits() throws {
        let unit = "Config/systemd/latchd.service"
        #expect(try values("TimeoutStopSec", in: unit).compactMap { Int($0) } == [10])
        #expect(try values("TimeoutStartSec", in: unit) == ["2min"])
        #expect(ServiceManager.patience < .minutes(1))
    }

    @Test("the manual page tells every exit status")
    func manual() throws {
        let page = try Repository.text("Packaging/man/latchd.8")
        let codes = page.split(separator: "\n").filter { $0.hasPrefix(".B ") }
            .compactMap { Int32($0.dropFirst(3)) }
        #expect(codes == ExitStatus.allCases.map(\.rawValue))
    }
}
