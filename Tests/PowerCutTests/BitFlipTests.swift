import FaultyDisk
import RaftCore
import RaftStorage
import Testing

@Suite("Bits that turn over on a disk at rest", .serialized)
struct BitFlipTests {
    private static let files = [
        "/data/latchd.sqlite", "/data/latchd.sqlite-wal", "/data/latchd.watermark",
    ]

    /// `LATCH_FLIPS=100000` turns that many bits over, one at a time, anywhere in the three files.
    @Test("are found, or change nothing: never a different answer (D11, goal 12)")
    func flips() throws {
        // Killed while open: rows of every table in the database, newer ones in the log beside it.
        let life = Life.run(
            on: Stories.snapshot.run().image, hasOpened: true, seed: 2, sample: .max,
            script: Stories.append.script)
        let all = life.cuts.last { $0.acknowledged == life.states.count - 1 }
        let cut = try #require(all ?? life.cuts.last)
        var random = SeededGenerator(seed: 21)
        let image = cut.image.survivors(of: .everything, random: &random)
        let undamaged = Life.run(on: image, hasOpened: true, seed: 1)
        let expected = try #require(undamaged.states.first)
        var found = 0
        let wanted = setting("LATCH_FLIPS") ?? 600
        for number in 0..<wanted {
            let file = Self.files[number % Self.files.count]
            let byte = random.next(below: try #require(image.size(of: file)))
            let bit = random.next(below: 8)
            var damaged = image
            damaged.flip(file, byte: byte, mask: 1 << UInt8(bit))
            let opening = Life.run(on: damaged, hasOpened: true, seed: 1)
            if opening.refusal != nil {
                found += 1
                continue
            }
            #expect(opening.states.first == expected, "\(file), byte \(byte), bit \(bit)")
            // What was accepted can be written to, and closed, and read again.
            let again = Life.run(on: opening.image, hasOpened: true, seed: 1)
            #expect(again.refusal == nil && again.states.first == expected, "\(file) at \(byte)")
        }
        #expect(found > 0)
        print("\(wanted) bits turned over: \(found) refused, \(wanted - found) harmless")
    }
}
