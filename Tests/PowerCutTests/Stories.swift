import FaultyDisk
import RaftCore
import Testing

/// Short lives that each show one thing, for loops over every one of their disk operations.
enum Stories: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case startUp
    case vote
    case append
    case truncation
    case snapshot
    case install
    /// Enough transactions for several checkpoints and a log that is cut to size.
    case checkpoints

    var testDescription: String { rawValue }

    /// On a disk that an earlier life left closed, except for the start-up on an empty one.
    var beginsEmpty: Bool { self == .startUp }

    var script: Script {
        { state in
            var random = SeededGenerator(seed: 11)
            var work = Workload(from: state)
            switch self {
            case .startUp: return []
            case .vote: return [[work.vote(for: 2)], [work.vote(for: nil), work.vote(for: 3)]]
            case .append:
                return (1...4).map { count in
                    (0..<count).map { _ in work.append(count, bytes: 200, random: &random) }
                }
            case .truncation:
                let first = work.append(6, bytes: 100, random: &random)
                return [[first], [work.replace(4, bytes: 50, random: &random)]]
            case .snapshot:
                let first = work.append(8, bytes: 100, random: &random)
                return [[first], [work.snapshot(bytes: 7_000, kept: 1, random: &random)]]
            case .install:
                let first = work.append(3, bytes: 30, random: &random)
                let last = work.install(bytes: 9_000, random: &random)
                return [[first], [last], [work.append(2, bytes: 30, random: &random)]]
            case .checkpoints:
                return (0..<8).map { round in
                    round == 3
                        ? [work.snapshot(bytes: 60_000, kept: 0, random: &random)]
                        : [work.append(3, bytes: 900, random: &random)]
                }
            }
        }
    }

    /// The disk on which the story begins.
    func beginning() -> DiskImage {
        beginsEmpty ? DiskImage() : Self.closed
    }

    private static let closed = Life.run(on: DiskImage(), hasOpened: false, seed: 1) { state in
        var random = SeededGenerator(seed: 12)
        var work = Workload(from: state)
        return [[work.vote(for: 1), work.append(5, bytes: 80, random: &random)]]
    }.image

    func run(sample: Int = 0, faults: [Int: DiskFault] = [:], readFaults: [Int: Int32] = [:])
        -> Life.Result
    {
        Life.run(
            on: beginning(), hasOpened: !beginsEmpty, seed: 5, sample: sample, faults: faults,
            readFaults: readFaults, script: script)
    }
}
