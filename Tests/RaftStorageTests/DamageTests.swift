import Foundation
import RaftCore
import RaftStorage
import SeededRandom
import Testing

/// Damage at every place: an opening either refuses or gives exactly the acknowledged state.
@Suite("Damaged files never give a different answer", .serialized)
struct DamageTests {
    /// What a kill -9 leaves: database, write-ahead log with frames, watermark; and what it must
    /// hold.
    private struct Image {
        let directory: TemporaryDirectory
        let state: PersistentState
    }

    private func image() throws -> Image {
        Self.raiseDescriptorLimit()
        let directory = try TemporaryDirectory()
        var model = Model()
        let steps = [
            persist(1) {
                $0.vote = vote(1); $0.append = entries(1...30, bytes: 60)
            },
            persist(2) {
                $0.snapshot = snapshot(20, bytes: 5_000); $0.purgeThrough = LogIndex(10)
            },
            persist(3) {
                $0.vote = vote(2, for: 2); $0.append = entries(31...40, term: 2)
            },
        ]
        try write(steps, to: directory, options: bootstrapping { $0.snapshotChunkBytes = 2_000 })
        for step in steps { model.apply(step) }
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: StorageOptions())
        let reports = Reports()
        reports.start(storage)
        for id in 1...6 as ClosedRange<UInt64> {
            let step = persist(id) {
                if id == 3 { $0.vote = vote(3, for: 1) }
                $0.append = [entry(40 + id, term: 2)]
            }
            model.apply(step)
            storage.persist(step)
            try reports.wait(for: id)
        }
        let copy = try directory.copyOfData()
        storage.close()
        return Image(directory: copy, state: model.state)
    }

    /// A refused database stays open until the process ends: a sweep needs many descriptors.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        #if canImport(Glibc)
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
        let resource = RLIMIT_NOFILE
        #endif
        guard getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        _ = setrlimit(resource, &limit)
    }

    /// Opens a copy after `damage`: returns whether it was refused, requires the state if not, and
    /// that
    /// what was accepted can be written on.
    private func isRefused(
        _ image: Image, _ place: String, _ damage: (TemporaryDirectory) throws -> Void
    ) throws -> Bool {
        let copy = try image.directory.copyOfData()
        try damage(copy)
        do {
            let (storage, recovered) = try RaftStorage.open(
                directory: copy.data, identity: identity, options: StorageOptions())
            #expect(recovered == image.state, "\(place)")
            storage.persist(persist(1) { $0.append = [entry(47, term: 3)] })
            storage.close()
            let again = try read(copy)
            #expect(again.entries == image.state.entries + [entry(47, term: 3)], "\(place)")
            return false
        } catch is StorageFailure {
            return true
        }
    }

    private func flip(_ path: String, at offset: Int, mask: UInt8) throws {
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        defer { try? handle.close() }
        try handle.seek(toOffset: UInt64(offset))
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: UInt64(offset))
        try handle.write(contentsOf: Data([byte ^ mask]))
    }

    /// `LATCH_SWEEP=n` tries n places in each file instead of a small sample.
    private func offsets(of size: Int, about count: Int) -> [Int] {
        let wanted = ProcessInfo.processInfo.environment["LATCH_SWEEP"].flatMap { Int($0) } ?? count
        return Array(stride(from: 0, to: size, by: max(1, size / wanted)))
    }

    @Test("the undamaged image is accepted")
    func undamaged() throws {
        #expect(try !isRefused(image(), "undamaged") { _ in })
    }

    @Test(
        "a flipped byte in any file",
        arguments: ["latchd.sqlite", "latchd.sqlite-wal", "latchd.watermark"])
    func flippedByte(file: String) throws {
        let image = try image()
        var random = SplitMix(seed: 7)
        var refused = 0
        let size = fileSize(image.directory.data + "/" + file)
        let places = offsets(of: size, about: 150) + (file.hasSuffix("e") ? Array(0..<100) : [])
        for offset in places {
            let mask = UInt8(1 << random.next(below: 8))
            if try isRefused(
                image, "\(file) at \(offset)",
                { copy in
                    try flip(copy.data + "/" + file, at: offset, mask: mask)
                })
            {
                refused += 1
            }
        }
        #expect(refused > 0)
    }

    @Test(
        "a file cut short", arguments: ["latchd.sqlite", "latchd.sqlite-wal", "latchd.watermark"])
    func cutShort(file: String) throws {
        let image = try image()
        let size = fileSize(image.directory.data + "/" + file)
        for length in stride(from: 0, to: size, by: max(1, size / 80)) {
            let refused = try isRefused(image, "\(file) cut to \(length)") { copy in
                truncate(copy.data + "/" + file, off_t(length))
            }
            #expect(refused, "\(file) cut to \(length) of \(size)")
        }
    }

    @Test(
        "a write-ahead log that is deleted is noticed, with or without its watermark's help (D10)")
    func deletedWriteAheadLog() throws {
        let image = try image()
        let copy = try image.directory.copyOfData()
        unlink(copy.writeAheadLog)
        #expect(refusal(copy) == .writeAheadLogLost(path: copy.writeAheadLog))
    }

    @Test("a write-ahead log from before is noticed by the watermark (D10, D16)")
    func olderWriteAheadLog() throws {
        let image = try image()
        let newer = try image.directory.copyOfData()
        // The older log is whole, but ends two commits (of two pages each) earlier.
        let size = fileSize(newer.writeAheadLog)
        truncate(newer.writeAheadLog, off_t(size - 4 * (4_096 + 24)))
        guard case .acknowledgedStateLost(_, let acknowledged, let found) = refusal(newer) else {
            Issue.record("not refused")
            return
        }
        #expect(acknowledged == found + 2)
    }
}
