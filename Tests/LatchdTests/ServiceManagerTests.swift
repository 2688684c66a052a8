import Foundation
import LatchNode
import Logging
import NIOCore
import NIOPosix
import PeerTransport
import RaftCore
import RaftStorage
import Testing

@testable import latchd

@Suite("The service manager is told how the node is (sd_notify)")
struct ServiceManagerTests {
    @Test("without a socket that can be, nothing is told")
    func absent() {
        #expect(ServiceManager(environment: [:]) == nil)
        let long = "/" + String(repeating: "x", count: 108)
        for path in ["", "/", "@", "relative", "vsock:2:1234", long, "/a\0b"] {
            #expect(ServiceManager(environment: ["NOTIFY_SOCKET": path]) == nil, "\(path)")
        }
    }

    @Test(
        "a message comes whole, through a file and through an abstract name",
        arguments: [false, true])
    func delivery(isAbstract: Bool) throws {
        let receiver = try NotifyReceiver(isAbstract: isAbstract)
        let manager = try #require(ServiceManager(environment: ["NOTIFY_SOCKET": receiver.name]))
        manager.stopping()
        manager.stopping()
        #expect(
            receiver.next() == ["STOPPING=1", "STATUS=stopping: hands leadership over"])
        #expect(receiver.next(within: 0) == nil)
    }

    @Test("a manager that is gone is nobody's trouble")
    func gone() throws {
        var receiver: NotifyReceiver? = try NotifyReceiver()
        let name = receiver?.name ?? ""
        let socket = try #require(NotifySocket(name))
        #expect(socket.send("READY=1"))
        receiver = nil
        #expect(!socket.send("READY=1"))
    }

    @Test("the watchdog is fed twice as often as the manager asks, and only by whom it means")
    func watchdog() throws {
        let receiver = try NotifyReceiver()
        func watchdog(_ added: [String: String]) -> TimeAmount? {
            let environment = added.merging(["NOTIFY_SOCKET": receiver.name]) { $1 }
            return ServiceManager(environment: environment)?.watchdog
        }
        let own = String(ProcessInfo.processInfo.processIdentifier)
        #expect(watchdog(["WATCHDOG_USEC": "2000000"]) == .seconds(1))
        #expect(watchdog(["WATCHDOG_USEC": "30", "WATCHDOG_PID": own]) == .microseconds(15))
        #expect(watchdog(["WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"]) == nil)
        for wrong in ["", "0", "1", "-5", "soon", "99999999999999999999", "9223372036854775807"] {
            #expect(watchdog(["WATCHDOG_USEC": wrong]) == nil, "\(wrong)")
        }
        #expect(watchdog([:]) == nil)
    }

    @Test("a node that leads is ready at once, and goes on feeding the watchdog")
    func ready() async throws {
        let receiver = try NotifyReceiver()
        let node = try OneNode(members: 1)
        node.attend(receiver, patience: .hours(1))
        let told = receiver.lines { $0.hasPrefix("STATUS=ready") }
        #expect(told.filter { $0 == "READY=1" } == ["READY=1"])
        #expect(told.last == "STATUS=ready: leads in term 1" || told.contains("WATCHDOG=1"))
        for _ in 0..<5 { #expect(receiver.next() == ["WATCHDOG=1"]) }
        await node.end()
    }

    @Test("without a majority, ready is told when patience is over, with the reason")
    func patience() async throws {
        let receiver = try NotifyReceiver()
        let node = try OneNode(members: 3)
        node.attend(receiver, patience: .hours(1))
        let first = receiver.lines { $0.hasPrefix("STATUS=") }
        #expect(first.contains("STATUS=not ready: no leader within reach, term 0; 0 of 2 links up"))
        for _ in 0..<5 { #expect(receiver.next() == ["WATCHDOG=1"]) }
        let other = try NotifyReceiver()
        node.attend(other, patience: .zero)
        #expect(!other.lines { $0 == "READY=1" }.isEmpty)
        await node.end()
    }

    @Test("a loop that hangs feeds no watchdog; one that goes on does again")
    func hung() async throws {
        let receiver = try NotifyReceiver()
        let node = try OneNode(members: 1)
        node.attend(receiver, patience: .hours(1))
        #expect(!receiver.lines { $0 == "WATCHDOG=1" }.isEmpty)
        let (hangs, goesOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        node.node.loop.execute {
            hangs.signal()
            goesOn.wait()
        }
        hangs.wait()
        receiver.drain()
        // Fifty beats long.
        #expect(receiver.next(within: 500) == nil)
        goesOn.signal()
        #expect(!receiver.lines { $0 == "WATCHDOG=1" }.isEmpty)
        await node.end()
    }

    @Test("the real process: READY, WATCHDOG, then STOPPING at SIGTERM, and exit code 0")
    func process() throws {
        let receiver = try NotifyReceiver(isAbstract: true)
        let latchd = try LatchdProcess(
            environment: ["NOTIFY_SOCKET": receiver.name, "WATCHDOG_USEC": "200000"])
        defer { latchd.kill() }
        #expect(!receiver.lines { $0 == "READY=1" }.isEmpty, "\(latchd.output)")
        for _ in 0..<3 { #expect(!receiver.lines { $0 == "WATCHDOG=1" }.isEmpty) }
        latchd.terminate()
        #expect(receiver.lines { $0 == "STOPPING=1" }.contains("STOPPING=1"))
        #expect(latchd.exitCode() == 0, "\(latchd.output)")
        // Nothing contradicts it afterwards.
        #expect(receiver.next(within: 0)?.first?.hasPrefix("STATUS=stopping") ?? true)
    }
}

/// A node on a loop of its own, with a disk that is never busy and without peers.
private struct OneNode {
    let node: LatchNode
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    init(members: UInt16) throws {
        let settings = NodeSettings(
            server: ServerID(1),
            members: (1...members).map { id in
                Member(
                    id: ServerID(id), peerHost: "a", peerPort: 1, clientHost: "a", clientPort: 2)
            })
        node = try LatchNode(
            settings: settings, disk: InstantDisk(), recovered: PersistentState(),
            loop: group.next(), seed: 1,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            encodeSnapshot: { _ in }, onHalt: { Issue.record("halted: \($0)") },
            links: { _ in NoLinks() })
        let started = node
        node.loop.execute { started.startOnLoop() }
    }

    /// A beat every 10 ms.
    func attend(_ receiver: NotifyReceiver, patience: TimeAmount) {
        ServiceManager(environment: ["NOTIFY_SOCKET": receiver.name, "WATCHDOG_USEC": "20000"])?
            .attend(node, patience: patience)
    }

    func end() async {
        await node.stop()
        try? await group.shutdownGracefully()
    }

    private final class InstantDisk: NodeDisk, @unchecked Sendable {
        private var onPersisted: (PersistID) -> Void = { _ in }

        func start(
            onPersisted: @escaping @Sendable (PersistID) -> Void,
            onFailure: @escaping @Sendable (StorageFailure) -> Void
        ) { self.onPersisted = onPersisted }
        func persist(_ persist: Persist) { onPersisted(persist.id) }
        func close() {}
    }

    private final class NoLinks: PeerLinks {
        func start() async throws {}
        func shutdown() async {}
        func send(_ frame: PeerFrame, to server: ServerID) -> Bool { false }
        func flush() {}
        func isConnected(_ server: ServerID) -> Bool { false }
    }
}
