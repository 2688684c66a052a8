import RaftCore
import Testing

/// Off by one for even sizes, or counted from a list that lost its order: a majority is a bug that
/// several Rafts have had. So here it is counted anew, server by server, for each size.
@Suite("What a majority is, counted by hand (O4, B16)")
struct MajorityTests {
    @Test(
        "an entry is committed exactly when more than half of the disks hold it", arguments: 1...7)
    func commit(size: Int) throws {
        for seed in 0..<60 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var server = try TestServer.leader(size: size)
            var writes = [try #require(server.lastPersist)]
            for number in 1...5 as ClosedRange<UInt8> {
                server.propose([number])
                writes.append(try #require(server.lastPersist))
            }
            #expect(server.raft.commitIndex == .zero)
            // The last durable index of each, the leader's own first.
            var durable = Array(repeating: UInt64(0), count: size)
            for event in 0..<40 {
                let position = Int(generator.draw(upTo: UInt64(size - 1)))
                let index = generator.draw(from: 1...server.lastIndex)
                if position == 0 {
                    server.step(.persisted(writes[Int(index) - 1]))
                } else {
                    server.acknowledge(through: index, from: ServerID(UInt16(position + 1)))
                }
                durable[position] = max(durable[position], index)
                let expected = (0...server.lastIndex).last { index in
                    durable.count { $0 >= index } * 2 > size
                }
                #expect(
                    server.raft.commitIndex.rawValue == expected,
                    "seed \(seed), event \(event), disks \(durable)")
            }
        }
    }

    @Test("a read is granted by the answer that makes more than half", arguments: 1...7)
    func read(size: Int) throws {
        for seed in 0..<20 as Range<UInt64> {
            var generator = SeededGenerator(seed: seed)
            var server = try TestServer.servingLeader(size: size)
            var granted = !server.step(.read(ReadID(1))).reads.isEmpty
            #expect(granted == (size == 1))
            var others = Array(2..<(UInt16(size) + 1))
            var supporters = 1
            while !others.isEmpty {
                let other = others.remove(at: Int(generator.draw(upTo: UInt64(others.count - 1))))
                let effects = server.acknowledge(through: 1, from: ServerID(other), round: 1)
                supporters += 1
                let isFirst = !granted && supporters * 2 > size
                #expect(effects.reads.isEmpty == !isFirst, "\(supporters) of \(size)")
                granted = granted || isFirst
            }
            #expect(granted)
        }
    }

    @Test("a leader stays exactly while it hears more than half", arguments: 1...7)
    func checkQuorum(size: Int) throws {
        for heard in 0..<size {
            var server = try TestServer.servingLeader(size: size)
            for _ in 0..<20 {
                server.wait(milliseconds: 50)
                for other in 2..<(heard + 2) where server.raft.role == .leader {
                    server.acknowledge(through: 1, from: ServerID(UInt16(other)))
                }
            }
            let isMajority = (heard + 1) * 2 > size
            #expect((server.raft.role == .leader) == isMajority, "hears \(heard) of \(size)")
        }
    }
}
