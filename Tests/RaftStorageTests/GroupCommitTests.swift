import Foundation
import RaftCore
import RaftStorage
import Synchronization
import Testing

@Suite("Group commit")
struct GroupCommitTests {
    @Test("steps queued during a write become one transaction with one acknowledgement")
    func oneTransaction() throws {
        let directory = try TemporaryDirectory()
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: bootstrapping())
        let reports = Reports()
        let entered = DispatchSemaphore(value: 0)
        let gate = DispatchSemaphore(value: 0)
        reports.start(
            storage,
            alsoOnPersisted: { id in
                guard id == PersistID(1) else { return }
                entered.signal()
                gate.wait()
            })
        storage.persist(persist(1) { $0.vote = vote(1) })
        entered.wait()
        for id in 2...500 as ClosedRange<UInt64> {
            storage.persist(persist(id) { $0.append = [entry(id - 1)] })
        }
        #expect(storage.queuedCount >= 499)
        gate.signal()
        try reports.wait(for: 500)
        #expect(reports.persisted == [PersistID(1), PersistID(500)])
        storage.close()
        #expect(storage.queuedCount == 0)
        #expect(try read(directory).entries == entries(1...499))
    }

    @Test("acknowledged ids ascend, and there are never more than there were steps")
    func idsAscend() throws {
        let directory = try TemporaryDirectory()
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: bootstrapping())
        let reports = Reports()
        reports.start(storage)
        storage.persist(persist(1) { $0.vote = vote(1) })
        for id in 2...2_000 as ClosedRange<UInt64> {
            storage.persist(persist(id) { $0.append = [entry(id - 1)] })
        }
        try reports.wait(for: 2_000)
        let ids = reports.persisted
        #expect(zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 })
        storage.close()
    }

    @Test("close writes and acknowledges what is queued, twice is once, later steps are dropped")
    func closeDrains() throws {
        let directory = try TemporaryDirectory()
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: bootstrapping())
        let reports = Reports()
        reports.start(storage)
        storage.persist(persist(1) { $0.vote = vote(1) })
        for id in 2...300 as ClosedRange<UInt64> {
            storage.persist(persist(id) { $0.append = [entry(id - 1)] })
        }
        storage.close()
        #expect(reports.persisted.last == PersistID(300))
        storage.persist(persist(301) { $0.append = [entry(300)] })
        storage.close()
        #expect(reports.persisted.last == PersistID(300))
        #expect(try read(directory).entries == entries(1...299))
    }

    @Test("a storage that was never started writes what is queued when it is closed")
    func closeWithoutStart() throws {
        let directory = try TemporaryDirectory()
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: bootstrapping())
        storage.persist(persist(1) { $0.vote = vote(4) })
        storage.close()
        #expect(try read(directory).currentTerm == Term(4))
    }

    @Test("close from inside an acknowledgement does not wait for itself")
    func closeFromCallback() throws {
        let directory = try TemporaryDirectory()
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: bootstrapping())
        let reports = Reports()
        reports.start(storage, alsoOnPersisted: { _ in storage.close() })
        storage.persist(persist(1) { $0.vote = vote(4) })
        try reports.wait(for: 1)
        storage.close()
        #expect(try read(directory).currentTerm == Term(4))
    }

    @Test("a hundred thousand small steps keep the write-ahead log bounded (D19)")
    func writeAheadLogIsBounded() throws {
        let directory = try TemporaryDirectory()
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: bootstrapping())
        let reports = Reports()
        let largest = Mutex(0)
        reports.start(
            storage,
            alsoOnPersisted: { _ in
                let size = fileSize(directory.writeAheadLog)
                largest.withLock { $0 = max($0, size) }
            })
        storage.persist(persist(1) { $0.vote = vote(1) })
        for id in 2...100_001 as ClosedRange<UInt64> {
            storage.persist(persist(id) { $0.append = [entry(id - 1, bytes: 60)] })
            if id % 50 == 0 { try reports.wait(for: id - 49) }
        }
        try reports.wait(for: 100_001)
        #expect(largest.withLock { $0 } < 20 << 20)
        storage.close()
        #expect(fileSize(directory.writeAheadLog) == 0)
    }

    @Test("after a large snapshot the write-ahead log file shrinks, and is never empty while open")
    func writeAheadLogShrinks() throws {
        let directory = try TemporaryDirectory()
        let options = bootstrapping { $0.maximumWALBytes = 1 << 20 }
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: options)
        let reports = Reports()
        reports.start(storage)
        storage.persist(
            persist(1) {
                $0.vote = vote(1)
                $0.snapshot = snapshot(5, bytes: 8 << 20)
                $0.resetsLog = true
            })
        try reports.wait(for: 1)
        #expect(fileSize(directory.writeAheadLog) > 8 << 20)
        for id in 2...4 as ClosedRange<UInt64> {
            storage.persist(persist(id) { $0.append = [entry(id + 4)] })
            try reports.wait(for: id)
        }
        #expect((1...(1 << 20) + 8_192).contains(fileSize(directory.writeAheadLog)))
        storage.close()
        #expect(try read(directory).snapshot == snapshot(5, bytes: 8 << 20))
    }
}

func fileSize(_ path: String) -> Int {
    (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
}
