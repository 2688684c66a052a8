import LatchMachine
import Logging
import NIOCore
import NIOEmbedded
import PeerTransport
import RaftCore
import RaftStorage
import Testing

@testable import LatchNode

/// A disk that is never busy, unless it is told to be.
final class InstantDisk: NodeDisk, @unchecked Sendable {
    private var onPersisted: (PersistID) -> Void = { _ in }
    private var waiting: [PersistID] = []
    var isBusy = false {
        didSet { finishWaiting() }
    }

    func start(
        onPersisted: @escaping @Sendable (PersistID) -> Void,
        onFailure: @escaping @Sendable (StorageFailure) -> Void
    ) { self.onPersisted = onPersisted }
    func persist(_ persist: Persist) {
        waiting.append(persist.id)
        finishWaiting()
    }
    func close() {}

    private func finishWaiting() {
        while !isBusy, let first = waiting.first {
            waiting.removeFirst()
            onPersisted(first)
        }
    }
}

/// Links to nobody.
final class NoLinks: PeerLinks {
    func start() async throws {}
    func shutdown() async {}
    func send(_ frame: PeerFrame, to server: ServerID) -> Bool { false }
    func flush() {}
    func isConnected(_ server: ServerID) -> Bool { false }
}

/// Remembers the results of one call.
final class ResultSink: ReplySink, @unchecked Sendable {
    let loop: any EventLoop
    private(set) var result: NodeResult?

    init(loop: any EventLoop) { self.loop = loop }
    func complete(_ result: NodeResult) { self.result = result }
}

extension PrimitiveName {
    static let demo = PrimitiveName(namespace: "app", name: "demo")
    static let other = PrimitiveName(namespace: "app", name: "other")
}

/// Why a node halted.
final class Halts: @unchecked Sendable {
    private(set) var reasons: [String] = []
    func note(_ reason: LatchNode.HaltReason) { reasons.append("\(reason)") }
}

/// One node on a virtual loop: the only member of its cluster, or member 1 of `members`, whose
/// peers are played by the test.
struct NodeStage {
    let loop: EmbeddedEventLoop
    let disk = InstantDisk()
    let node: LatchNode
    let halts = Halts()

    init(
        members count: UInt16 = 1, recovered: PersistentState = PersistentState(),
        mayHalt: Bool = false, _ change: (inout NodeSettings) -> Void = { _ in },
        running nodeLoop: ((EmbeddedEventLoop) -> any EventLoop)? = nil
    ) throws {
        loop = EmbeddedEventLoop()
        let members = (1...count).map { number in
            Member(
                id: ServerID(number), peerHost: "a", peerPort: 1, clientHost: "a", clientPort: 2)
        }
        var settings = NodeSettings(server: ServerID(1), members: members)
        change(&settings)
        node = try LatchNode(
            settings: settings, disk: disk, recovered: recovered,
            loop: nodeLoop?(loop) ?? loop, seed: 1,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            encodeSnapshot: { _ in },
            onHalt: { [halts] reason in
                halts.note(reason)
                if !mayHalt { Issue.record("halted: \(reason)") }
            },
            links: { _ in NoLinks() })
    }

    /// Lets time pass until something holds, two virtual seconds at most.
    func wait(until holds: () -> Bool) {
        for _ in 0..<2_000 where !holds() { loop.advanceTime(by: .milliseconds(1)) }
    }

    /// Makes one call and waits for what it gets.
    func call(_ request: (ResultSink) -> NodeRequest) -> NodeResult? {
        let sink = ResultSink(loop: loop)
        node.submit(request(sink))
        wait { sink.result != nil }
        return sink.result
    }

    @discardableResult
    func apply(_ command: Command) -> Answer? {
        guard case .answer(let answer, _)? = call({ .command(command, $0) }) else { return nil }
        return answer
    }

    /// Opens a session; 0 if that failed.
    func open(_ name: PrimitiveName = .demo, timeout: UInt64 = 60_000) -> SessionID {
        guard
            case .sessionOpened(let session)? = apply(
                .openSession(name, timeoutMilliseconds: timeout))
        else { return 0 }
        return session
    }
}
