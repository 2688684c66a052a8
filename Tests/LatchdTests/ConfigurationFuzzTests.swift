import Foundation
import SeededRandom
import Testing

@testable import latchd

@Suite("Configuration: mutated files")
struct ConfigurationFuzzTests {
    /// Fragments that have meaning in YAML or in our values.
    static let fragments = [
        "&a ", "*a", "[", "]", "{", "}", "? ", ": ", "- ", "!!int ", "|\n", ">\n", "'", "\"",
        "\\x00", "\\uD800",
        "%TAG ! x\n", "---\n", "...\n", "\t", "\u{0}", "\u{FEFF}", "\u{2028}", "~", "<<: ", "0",
        "-1",
        "99999999999999999999", "ms", "..", "\r\n", "🔒", "#",
    ].map { Array($0.utf8) }

    @Test(
        "no mutation of a shipped file traps, and each refusal names at least one problem",
        arguments: 1...12)
    func mutations(seed: UInt64) throws {
        var generator = SplitMix(seed: seed)
        let shipped = Array(try Repository.text("Config/node1.yaml").utf8)
        // The comments are most of the file; without them more mutations hit something.
        let plain = Array(
            try Repository.text("Config/node1.yaml").split(separator: "\n")
                .filter { !$0.hasPrefix("#") }.joined(separator: "\n").utf8)
        for round in 0..<150 {
            var bytes = round.isMultiple(of: 10) ? shipped : plain
            for _ in 0..<Int.random(in: 1...6, using: &generator) { mutate(&bytes, &generator) }
            do throws(ConfigurationFailure) {
                let loaded = try ConfigurationLoader.parse(bytes, file: "f", directory: "/")
                #expect(loaded.configuration.ownMember != nil, "seed \(seed), round \(round)")
            } catch {
                #expect(!error.problems.isEmpty, "seed \(seed), round \(round)")
                #expect(!error.description.isEmpty)
            }
        }
    }

    private func mutate(_ bytes: inout [UInt8], _ generator: inout SplitMix) {
        let place = Int.random(in: 0...bytes.count, using: &generator)
        let end = min(bytes.count, place + Int.random(in: 0...12, using: &generator))
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes.removeSubrange(place..<end)
        case 1:
            bytes.insert(
                contentsOf: Self.fragments.randomElement(using: &generator) ?? [], at: place)
        case 2:
            bytes.insert(
                contentsOf: bytes[place..<end],
                at: Int.random(in: 0...bytes.count, using: &generator))
        case 3: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
        case _:
            if place < bytes.count {
                bytes[place] ^= UInt8(1 << Int.random(in: 0...7, using: &generator))
            }
        }
    }
}
