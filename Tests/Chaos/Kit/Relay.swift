import NIOCore
import NIOPosix
import Synchronization

/// One connection through the net: the dialler's half, the target's half, and what waits between.
///
/// Confined to the net's loop, but for `direction` and `closeSoon`.
final class Relay: @unchecked Sendable {
    enum Side { case near, far }

    let net: FaultNet
    private let receiver: Int
    private let target: Int
    private let dialled = Mutex<Direction?>(nil)
    private var near: (any Channel)?
    private var far: (any Channel)?
    private var isDialling = false
    private var isClosed = false
    private let needsHello: Bool
    /// Towards the target.
    private let forward = Pump()
    /// Back to the dialler.
    private let backward = Pump()

    /// Where the sender's id lies in a Hello: length, type, magic, two versions, cluster.
    private static let senderOffset = 4 + 1 + 8 + 2 + 2 + 8

    init(net: FaultNet, receiver: Int, target: Int, dialler: FaultNet.Dialler) {
        self.net = net
        self.receiver = receiver
        self.target = target
        switch dialler {
        case .clients:
            needsHello = false
            dialled.withLock { $0 = Direction(Direction.clients, receiver) }
        case .peer:
            needsHello = true
        }
    }

    /// From the dialler to the target; nil until the Hello has come.
    var direction: Direction? { dialled.withLock { $0 } }

    /// Any thread.
    func closeSoon() {
        let channel = near
        channel?.eventLoop.execute { self.close() }
    }

    // MARK: Events of both halves

    func opened(_ channel: any Channel, _ side: Side) {
        switch side {
        case .near:
            near = channel
            net.add(self)
            backward.destination = channel
            if !needsHello { dial(on: channel.eventLoop) }
        case .far:
            far = channel
            forward.destination = channel
            pump(.near)
        }
        channel.read()
    }

    func received(_ bytes: ByteBuffer, from side: Side) {
        let pump = pump(from: side)
        let policy = direction.map { net.policy(of: side == .near ? $0 : $0.reversed) }
        let delay = policy.map { $0.delayMilliseconds + net.jitter(upTo: $0.jitterMilliseconds) }
        pump.append(bytes, delayMilliseconds: delay ?? 0)
        if direction == nil, let near { readHello(on: near.eventLoop) }
        self.pump(side)
    }

    func closed(_ side: Side) {
        // What came before the end still arrives, unless the link is silent.
        pump(side)
        close()
    }

    /// Lets through what may pass now, and looks again soon if something is left.
    func pump(_ side: Side) {
        guard let direction, !isClosed else { return askForMore(side) }
        let way = side == .near ? direction : direction.reversed
        let pump = pump(from: side)
        if pump.hasBytes, pump.destination != nil, !net.policy(of: way).isSilent,
            net.takeCut(way)
        {
            pump.sendHalf()
            return close()
        }
        let sent = pump.send(under: net.policy(of: way))
        if sent > 0 { net.count(sent, way) }
        if pump.hasBytes, pump.destination != nil { lookAgain(side) }
        askForMore(side)
    }

    private func askForMore(_ side: Side) {
        // A pump that is full does not read: the sender's socket fills, as behind a slow reader.
        if pump(from: side).hasRoom { channel(side)?.read() }
    }

    private func lookAgain(_ side: Side) {
        let pump = pump(from: side)
        guard !pump.isScheduled, let loop = near?.eventLoop else { return }
        pump.isScheduled = true
        loop.scheduleTask(in: .milliseconds(2)) {
            self.pump(from: side).isScheduled = false
            self.pump(side)
        }
    }

    private func pump(from side: Side) -> Pump { side == .near ? forward : backward }
    private func channel(_ side: Side) -> (any Channel)? { side == .near ? near : far }

    private func readHello(on loop: any EventLoop) {
        guard let sender: UInt16 = forward.peek(at: Self.senderOffset) else { return }
        dialled.withLock { $0 = Direction(Int(sender), receiver) }
        dial(on: loop)
    }

    private func dial(on loop: any EventLoop) {
        guard !isDialling, !isClosed else { return }
        isDialling = true
        ClientBootstrap(group: loop)
            .channelOption(.autoRead, value: false)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connectTimeout(.seconds(2))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(RelayHandler(self, .far))
                }
            }
            .connect(host: "127.0.0.1", port: target)
            .whenFailure { _ in self.close() }
    }

    private func close() {
        guard !isClosed else { return }
        isClosed = true
        net.remove(self)
        near?.close(promise: nil)
        far?.close(promise: nil)
    }
}

/// The end of a relay in a channel's pipeline.
final class RelayHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let relay: Relay
    private let side: Relay.Side

    init(_ relay: Relay, _ side: Relay.Side) {
        self.relay = relay
        self.side = side
    }

    func channelActive(context: ChannelHandlerContext) { relay.opened(context.channel, side) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        relay.received(unwrapInboundIn(data), from: side)
    }

    func channelInactive(context: ChannelHandlerContext) { relay.closed(side) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
