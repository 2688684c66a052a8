import BinaryCoding
import LatchMachine
import NIOCore
import NIOEmbedded
import PeerTransport
import RaftCore
import Testing

@testable import LatchNode

/// Remembers what it was shown.
private final class Watcher: ObserverSink, @unchecked Sendable {
    let loop: any EventLoop
    private(set) var shows: [(view: LatchView?, index: UInt64)] = []
    private(set) var ends: [NodeFailure] = []

    init(_ loop: any EventLoop) { self.loop = loop }
    func show(_ view: LatchView?, index: UInt64) { shows.append((view, index)) }
    func end(_ failure: NodeFailure) { ends.append(failure) }

    var holders: [String?] { shows.map { $0.view?.state.holder } }
}

private final class Terms: TermObserver, @unchecked Sendable {
    private(set) var records: [TermRecord] = []
    func termBegan(_ record: TermRecord, of name: PrimitiveName) { records.append(record) }
}

@Suite("Observers of a latch")
struct ObserverTests {
    @Test("an observer is shown the latch at once and after every change, also that it is gone")
    func shows() throws {
        let stage = try NodeStage()
        let watcher = Watcher(stage.loop)
        stage.node.startOnLoop()
        stage.node.submit(.observe(.demo, minimumIndex: 0, watcher))
        stage.wait { !watcher.shows.isEmpty }
        #expect(watcher.shows.map { $0.view == nil } == [true])
        let session = stage.open()
        stage.apply(.latch(.demo, session, requestID: 1, participant: "a"))
        stage.apply(.latch(.other, session, requestID: 2, participant: "a"))
        #expect(watcher.holders == [nil, nil, "a"])
        #expect(watcher.shows.last?.view?.owners == [session])
        stage.apply(.deletePrimitive(.demo))
        #expect(watcher.shows.count == 4)
        #expect(watcher.shows.last?.view == nil)
        #expect(zip(watcher.shows, watcher.shows.dropFirst()).allSatisfy { $0.index < $1.index })
        #expect(watcher.ends.isEmpty)
    }

    @Test("changes of one turn are shown together, once, the newest")
    func conflation() throws {
        let stage = try NodeStage()
        stage.node.startOnLoop()
        let session = stage.open()
        let watcher = Watcher(stage.loop)
        stage.node.submit(.observe(.demo, minimumIndex: 0, watcher))
        stage.wait { !watcher.shows.isEmpty }
        let sinks = (0..<20).map { _ in ResultSink(loop: stage.loop) }
        for (position, sink) in sinks.enumerated() {
            let command = Command.latch(.demo, session, requestID: 0, participant: "p\(position)")
            stage.node.submit(.command(command, sink))
        }
        stage.wait { sinks.allSatisfy { $0.result != nil } }
        #expect(watcher.shows.count == 2)
        #expect(watcher.shows.last?.view?.state.participants.count == 20)
        #expect(watcher.shows.last?.view?.index == watcher.shows.last?.index)
    }

    @Test("an observer that has seen more than this node waits until the node is there")
    func minimumIndex() throws {
        let stage = try NodeStage()
        stage.node.startOnLoop()
        let session = stage.open()
        let index = stage.node.machine.lastApplied
        let patient = Watcher(stage.loop)
        let never = Watcher(stage.loop)
        stage.node.submit(.observe(.demo, minimumIndex: index + 2, patient))
        stage.node.submit(.observe(.demo, minimumIndex: .max, never))
        stage.apply(.latch(.demo, session, requestID: 1, participant: "a"))
        #expect(patient.shows.isEmpty)
        stage.apply(.latch(.demo, session, requestID: 2, participant: "b"))
        #expect(patient.holders == ["a"])
        #expect(patient.shows.first?.index == index + 2)
        stage.node.submit(.stopObserving(.demo, never))
        stage.apply(.leave(.demo, session, requestID: 3, participant: "a"))
        #expect(patient.holders == ["a", "b"])
        #expect(never.shows.isEmpty)
        #expect(stage.node.observers.count == 1)
    }

    @Test("one that stopped is shown nothing more; one that asks twice is shown once a change")
    func stopping() throws {
        let stage = try NodeStage()
        stage.node.startOnLoop()
        let session = stage.open()
        let (gone, twice) = (Watcher(stage.loop), Watcher(stage.loop))
        for watcher in [gone, twice, twice] {
            stage.node.submit(.observe(.demo, minimumIndex: 0, watcher))
        }
        stage.wait { !twice.shows.isEmpty }
        stage.node.submit(.stopObserving(.demo, gone))
        stage.apply(.latch(.demo, session, requestID: 1, participant: "a"))
        #expect(gone.holders == [nil])
        #expect(twice.holders == [nil, "a"])
        #expect(stage.node.observers.count == 1)
    }

    @Test("observers past the bound, and all of a node that stops, are told the end")
    func ends() async throws {
        let stage = try NodeStage { $0.maximumObservers = 2 }
        stage.node.startOnLoop()
        _ = stage.open()
        let watchers = (0..<3).map { _ in Watcher(stage.loop) }
        for watcher in watchers { stage.node.submit(.observe(.demo, minimumIndex: 0, watcher)) }
        stage.wait { !watchers[2].ends.isEmpty }
        #expect(watchers[2].ends == [.overloaded("this node serves 2 observers")])
        #expect(watchers[0].ends.isEmpty && watchers[1].ends.isEmpty)
        stage.node.failEverything()
        stage.loop.run()
        #expect(watchers[0].ends == [.shuttingDown])
        #expect(watchers[1].ends == [.shuttingDown])
        #expect(watchers[2].ends.count == 1)
    }

    @Test("a snapshot that replaces the machine is shown to every observer")
    func snapshotInstall() throws {
        let stage = try NodeStage(members: 3)
        stage.node.startOnLoop()
        var machine = LatchMachine()
        var outcomes: [Outcome] = []
        func apply(_ command: Command) {
            let record = LogRecord(
                origin: 2, number: 1, logTimeMilliseconds: 1, command: command)
            machine.apply(
                record, at: machine.lastApplied + 1, raftTerm: 1, into: &outcomes)
        }
        func install() {
            let data = machine.encodeSnapshot()
            let chunk = InstallSnapshot(
                lastIncludedIndex: LogIndex(machine.lastApplied), lastIncludedTerm: Term(1),
                totalBytes: UInt64(data.count), checksum: CRC32C.checksum(data), offset: 0,
                chunk: data)
            let message = Message(from: ServerID(2), term: Term(1), body: .installSnapshot(chunk))
            stage.node.handle(.received(.raft(message), from: ServerID(2)))
            stage.node.handle(.batchEnded)
            stage.loop.run()
        }
        let (demo, other) = (Watcher(stage.loop), Watcher(stage.loop))
        stage.node.submit(.observe(.demo, minimumIndex: 0, demo))
        stage.node.submit(.observe(.other, minimumIndex: 0, other))
        stage.loop.run()
        // A node that has not heard from a leader does not know what is committed.
        #expect(demo.shows.isEmpty)
        apply(.openSession(.demo, timeoutMilliseconds: 60_000))
        apply(.latch(.demo, 1, requestID: 1, participant: "a"))
        install()
        #expect(demo.holders == ["a"])
        #expect(other.shows.map { $0.view == nil } == [true])
        apply(.leave(.demo, 1, requestID: 2, participant: "a"))
        apply(.openSession(.other, timeoutMilliseconds: 60_000))
        install()
        #expect(demo.holders == ["a", nil])
        #expect(other.shows.map { $0.view == nil } == [true, false])
        guard case .localView(let view, 4, let age)? = stage.call({ .localView(.demo, $0) }) else {
            Issue.record("no local view")
            return
        }
        #expect(view?.ledger.map(\.holder) == ["a"])
        #expect(age.map { $0 < 5 } == true)
    }

    @Test("1,000 observers of one latch on one loop share one delivery a turn")
    func herd() {
        let loop = EmbeddedEventLoop()
        var observers = Observers()
        let watchers = (0..<1_000).map { _ in Watcher(loop) }
        for watcher in watchers { observers.add(watcher, to: .demo, minimumIndex: 3) }
        #expect(observers.takeShows(lastApplied: 2).isEmpty)
        #expect(observers.takeShows(lastApplied: 3).count == 1_000)
        observers.note(changeOf: .demo)
        observers.note(changeOf: .other)
        observers.note(changeOf: .demo)
        let shows = observers.takeShows(lastApplied: 4)
        #expect(shows.map(\.sinks.count) == [1_000])
        for watcher in watchers.prefix(999) { observers.remove(watcher, from: .demo) }
        observers.noteRestore()
        #expect(observers.takeShows(lastApplied: 4).first?.sinks.first === watchers[999])
        #expect(observers.count == 1)
        #expect(observers.removeAll().count == 1)
        #expect(observers.count == 0)
    }
}

@Suite("Observers that wait")
struct WaitingObserverTests {
    private let loop = EmbeddedEventLoop()

    @Test("20,000 that come and go in any order leave nothing behind, and are not searched through")
    func comingAndGoing() {
        var observers = Observers()
        let watchers = (0..<20_000).map { _ in Watcher(loop) }
        // Each is asked for before those that wait already, then behind them all.
        for (number, watcher) in watchers.enumerated() {
            observers.add(watcher, to: .demo, minimumIndex: UInt64(50_000 - number))
        }
        for watcher in watchers { observers.add(watcher, to: .demo, minimumIndex: 60_000) }
        #expect(observers.count == 20_000)
        #expect(observers.waitingPlaces <= 2 * 20_000 + 64)
        for watcher in watchers.dropFirst(10) { observers.remove(watcher, from: .demo) }
        #expect(observers.count == 10)
        #expect(observers.waitingPlaces <= 2 * 10 + 64)
        #expect(observers.takeShows(lastApplied: 59_999).isEmpty)
        let shown = observers.takeShows(lastApplied: 60_000).flatMap(\.sinks)
        #expect(shown.map(ObjectIdentifier.init) == watchers.prefix(10).map(ObjectIdentifier.init))
        #expect(observers.waitingPlaces == 0)
    }

    @Test("they are shown by index, then as they came; who came again has come later")
    func order() {
        var observers = Observers()
        let watchers = (0..<2_000).map { _ in Watcher(loop) }
        /// Who waits, as a plain list in order of arrival.
        var expected: [(index: UInt64, watcher: Watcher)] = []
        var shown: [Watcher] = []
        var chance: UInt64 = 1
        for round in 0..<6_000 {
            chance = chance &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let watcher = watchers[Int(chance >> 33) % watchers.count]
            let index = UInt64(round / 2) + (chance >> 20) % 500
            expected.removeAll { $0.watcher === watcher }
            observers.remove(watcher, from: .demo)
            if chance >> 62 > 0 {
                observers.add(watcher, to: .demo, minimumIndex: index)
                expected.append((index, watcher))
            }
            guard round % 50 == 0 else { continue }
            let due = expected.filter { $0.index <= round / 2 }
            expected.removeAll { $0.index <= round / 2 }
            let wanted = due.enumerated().sorted {
                ($0.element.index, $0.offset) < ($1.element.index, $1.offset)
            }
            let sinks = observers.takeShows(lastApplied: UInt64(round / 2)).flatMap(\.sinks)
            #expect(
                sinks.map(ObjectIdentifier.init)
                    == wanted.map { ObjectIdentifier($0.element.watcher) })
            shown += wanted.map(\.element.watcher)
        }
        #expect(shown.count > 1_000)
        let rest = observers.removeAll().suffix(expected.count)
        let wanted = expected.enumerated().sorted {
            ($0.element.index, $0.offset) < ($1.element.index, $1.offset)
        }
        #expect(
            rest.map(ObjectIdentifier.init)
                == wanted.map { ObjectIdentifier($0.element.watcher) })
    }

    @Test("one sink may wait for two latches, and stop waiting for one")
    func twoLatches() {
        var observers = Observers()
        let watcher = Watcher(loop)
        observers.add(watcher, to: .demo, minimumIndex: 5)
        observers.add(watcher, to: .other, minimumIndex: 6)
        observers.remove(watcher, from: .demo)
        #expect(observers.takeShows(lastApplied: 9).map(\.name) == [.other])
        #expect(observers.count == 1)
    }
}

@Suite("Views, wall time and terms")
struct ViewTests {
    @Test("a linearizable view has the ledger, stamped with the leader's wall clock")
    func view() throws {
        let stage = try NodeStage { $0.wallClock = { 1_700_000_000_123 } }
        stage.node.startOnLoop()
        guard case .view(nil, _)? = stage.call({ .read(.view(.demo), $0) }) else {
            Issue.record("a view of what is not there")
            return
        }
        let session = stage.open()
        stage.apply(.latch(.demo, session, requestID: 1, participant: "a"))
        guard case .view(let view?, let index)? = stage.call({ .read(.view(.demo), $0) }) else {
            Issue.record("no view")
            return
        }
        #expect(view.index == index)
        #expect(view.state.holder == "a")
        #expect(view.ledger.first?.began.wallTimeMilliseconds == 1_700_000_000_123)
        #expect(view.ledger.first?.began.raftTerm == stage.node.raft.currentTerm.rawValue)
        guard case .localView(_, _, ageMilliseconds: 0)? = stage.call({ .localView(.demo, $0) })
        else {
            Issue.record("a serving leader's view has no age")
            return
        }
    }

    @Test("a node that never heard from a leader says so of its local view")
    func neverHeard() throws {
        let stage = try NodeStage(members: 3)
        stage.node.startOnLoop()
        guard case .localView(nil, 0, ageMilliseconds: nil)? = stage.call({ .localView(.demo, $0) })
        else {
            Issue.record("an age out of nowhere")
            return
        }
    }

    @Test("every term that begins is told to the observer of terms, and no other change")
    func terms() throws {
        let stage = try NodeStage()
        let terms = Terms()
        stage.node.termObserver = terms
        stage.node.startOnLoop()
        let session = stage.open()
        stage.apply(.latch(.demo, session, requestID: 1, participant: "a"))
        stage.apply(.latch(.demo, session, requestID: 2, participant: "b"))
        let token = stage.node.machine.latchState(.demo)?.fencingToken ?? 0
        stage.apply(.publish(.demo, session, requestID: 3, fencingToken: token, value: "x"))
        stage.apply(.handOver(.demo, 0, requestID: 0, fencingToken: token, to: "b"))
        stage.apply(.closeSession(.demo, session))
        #expect(terms.records.map(\.holder) == ["a", "b"])
        #expect(terms.records.map(\.began.cause) == [.joined, .handedOver])
        #expect(terms.records.last.map { $0.overlapBoundMilliseconds > 0 } == true)
    }
}
