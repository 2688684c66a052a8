import SeededRandom
import Testing

@testable import LatchMachine

@Suite("Sorted chunks")
struct SortedChunksTests {
    @Test("it behaves as a sorted set under random inserts and removals, 40 seeds")
    func model() {
        for seed in 0..<40 as Range<UInt64> {
            var generator = SplitMix(seed: seed)
            var chunks = SortedChunks<Int>()
            var model: Set<Int> = []
            let range = Int.random(in: 1...3_000, using: &generator)
            for step in 0..<4_000 {
                let value = Int.random(in: 0..<range, using: &generator)
                // Grows at first, shrinks later, so that chunks are split and merged.
                if Int.random(in: 0..<4_000, using: &generator) > step {
                    #expect(chunks.insert(value) == model.insert(value).inserted)
                } else {
                    #expect(chunks.remove(value) == (model.remove(value) != nil))
                }
            }
            let sorted = model.sorted()
            #expect(Array(chunks) == sorted, "seed \(seed)")
            #expect(chunks.count == sorted.count && chunks.first == sorted.first)
            let middle = range / 2
            var iterator = chunks.from(middle)
            #expect(iterator.next() == sorted.first { $0 >= middle })
            #expect(chunks.contains(middle) == model.contains(middle))
            #expect(Array(SortedChunks(ascending: sorted)) == sorted)
        }
    }

    @Test("a copy is not changed by what happens to the original")
    func copies() {
        var chunks = SortedChunks(ascending: Array(0..<1_000))
        let copy = chunks
        for value in 0..<500 { chunks.remove(value) }
        chunks.insert(5_000)
        #expect(Array(copy) == Array(0..<1_000))
        #expect(chunks.count == 501)
    }
}
