import LatchMachine
import NIOCore

/// Collects what one turn of the node owes its callers and hands it over with one `execute` per
/// event loop.
struct Outbox {
    private enum Delivery: Sendable {
        case complete(any ReplySink, NodeResult)
        case frame(any SubscriberSink, Frame)
        case abandon(any SubscriberSink, AbandonReason)
        case show([any ObserverSink], LatchView?, index: UInt64)
        case end(any ObserverSink, NodeFailure)

        func run() {
            switch self {
            case .complete(let sink, let result): sink.complete(result)
            case .frame(let sink, let frame): sink.deliver(frame)
            case .abandon(let sink, let reason): sink.abandon(reason)
            case .show(let sinks, let view, let index):
                for sink in sinks { sink.show(view, index: index) }
            case .end(let sink, let failure): sink.end(failure)
            }
        }
    }

    private struct Bundle {
        let loop: any EventLoop
        var deliveries: [Delivery]
    }

    /// One bundle per event loop in use: a handful, so a linear search is the fastest map.
    private var bundles: [Bundle] = []

    mutating func complete(_ sink: any ReplySink, with result: NodeResult) {
        append(.complete(sink, result), on: sink.loop)
    }

    mutating func deliver(_ frame: Frame, to sink: any SubscriberSink) {
        append(.frame(sink, frame), on: sink.loop)
    }

    mutating func abandon(_ sink: any SubscriberSink, because reason: AbandonReason) {
        append(.abandon(sink, reason), on: sink.loop)
    }

    /// One delivery for all sinks of a loop, whatever their number.
    mutating func show(
        _ view: LatchView?, index: UInt64, to sinks: [any ObserverSink], on loop: any EventLoop
    ) {
        append(.show(sinks, view, index: index), on: loop)
    }

    mutating func end(_ sink: any ObserverSink, because failure: NodeFailure) {
        append(.end(sink, failure), on: sink.loop)
    }

    private mutating func append(_ delivery: Delivery, on loop: any EventLoop) {
        if let position = bundles.firstIndex(where: { $0.loop === loop }) {
            bundles[position].deliveries.append(delivery)
        } else {
            bundles.append(Bundle(loop: loop, deliveries: [delivery]))
        }
    }

    /// Hands everything over, each caller's part in order.
    mutating func flush() {
        for position in bundles.indices where !bundles[position].deliveries.isEmpty {
            let deliveries = bundles[position].deliveries
            bundles[position].deliveries = []
            bundles[position].loop.execute {
                for delivery in deliveries { delivery.run() }
            }
        }
    }
}
