import Foundation
import Testing

/// The cases that the fuzzers found worth keeping, without a fuzzer: `Tests/Fuzz/Corpus`.
@Suite("Committed fuzz cases are refused or keep their promise (N11, N12, N13, A1, S15, I22)")
struct ReplayTests {
    private static let corpus = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fuzz/Corpus")

    private static func cases(of target: FuzzTarget) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(
            at: corpus.appendingPathComponent(target.rawValue), includingPropertiesForKeys: nil
        ).sorted { $0.path < $1.path }
    }

    @Test("every case of the corpus", arguments: FuzzTarget.allCases)
    func corpus(target: FuzzTarget) throws {
        let cases = try Self.cases(of: target)
        #expect(!cases.isEmpty, "no corpus for \(target.rawValue)")
        for file in cases {
            let input = [UInt8](try Data(contentsOf: file))
            do throws(FuzzFinding) {
                try target.run(input)
            } catch {
                Issue.record("\(target.rawValue)/\(file.lastPathComponent): \(error)")
            }
        }
    }

    @Test("every seed, cut anywhere and with bytes changed", arguments: FuzzTarget.allCases)
    func seeds(target: FuzzTarget) throws {
        for (number, seed) in target.seeds.enumerated() {
            for variant in Self.variants(of: seed, atMost: 60) {
                do throws(FuzzFinding) {
                    try target.run(variant)
                } catch {
                    Issue.record("\(target.rawValue), seed \(number): \(hex(variant)): \(error)")
                    return
                }
            }
        }
    }

    /// The seed, and what it becomes when it is damaged at evenly spread places.
    private static func variants(of seed: [UInt8], atMost count: Int) -> [[UInt8]] {
        let step = max(1, seed.count * 2 / count)
        return [seed]
            + stride(from: 0, to: seed.count, by: step).flatMap { place -> [[UInt8]] in
                var damaged = seed
                damaged[place] ^= 0x81
                return [damaged, Array(seed[..<place])]
            }
    }

    @Test("the whole corpus is small enough to be kept in the repository")
    func size() throws {
        var bytes = 0
        for target in FuzzTarget.allCases {
            for file in try Self.cases(of: target) {
                bytes += try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
            }
        }
        #expect(bytes <= 300_000)
    }
}
