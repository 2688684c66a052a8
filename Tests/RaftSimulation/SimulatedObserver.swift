import LatchMachine
import LatchNode
import NIOCore
import RaftCore

/// A program that watches one latch through one node after the other (I25): what it is shown never
/// goes back, is what the latch was at that index, and misses no term that a ledger can hold.
final class SimulatedObserver {
    private let simulation: Simulation
    private let name: PrimitiveName
    private var attached: (process: SimulatedProcess, life: Int, sink: Sink)?
    /// The index of the newest show, on whatever node.
    private var lastIndex: UInt64 = 0
    private var lastToken: UInt64 = 0
    private(set) var lastState: LatchState?

    init(_ simulation: Simulation, of name: PrimitiveName) {
        self.simulation = simulation
        self.name = name
    }

    func schedule() {
        simulation.time.after(simulation.generator.draw(from: 10...80)) { [self] in
            schedule()
            tend()
        }
    }

    /// Whether it has been shown the latch as it stands.
    func knows(_ state: LatchState?) -> Bool { attached != nil && lastState == state }

    private func tend() {
        if let attached {
            let isGone = attached.process.life != attached.life || !attached.process.isAlive
            guard
                isGone || attached.sink.isEnded
                    || !simulation.areFaultsOver && simulation.generator.happens(permille: 100)
            else { return }
            attached.sink.isLeft = true
            if !isGone { attached.process.node?.submit(.stopObserving(name, attached.sink)) }
            self.attached = nil
            simulation.mark(.observedElsewhere)
        }
        let process = simulation.generator.pick(simulation.processes)
        guard process.isAlive, let node = process.node, let edge = process.edge else { return }
        let sink = Sink(loop: edge, minimumIndex: lastIndex) { [self] view, index, sink in
            simulation.check { () throws(Violation) in
                try take(view, index, on: sink, of: process)
            }
        }
        if node.machine.lastApplied < lastIndex { simulation.mark(.observedWhenApplied) }
        attached = (process, process.life, sink)
        node.submit(.observe(name, minimumIndex: lastIndex, sink))
    }

    private func take(
        _ view: LatchView?, _ index: UInt64, on sink: Sink, of process: SimulatedProcess
    ) throws(Violation) {
        guard !sink.isLeft else { return }
        try require(
            index >= lastIndex && index >= sink.minimumIndex, "I25 observers",
            "\(process.id) shows \(name) at \(index) to somebody who has seen \(lastIndex)")
        try simulation.truth.check(view, of: name, at: index)
        simulation.mark(.observed)
        if view == nil, lastState != nil { simulation.mark(.observedDeletion) }
        if process.restoredAt > 0, index >= process.restoredAt {
            simulation.mark(.observedAfterInstall)
        }
        if let view { try checkTerms(view, index) }
        lastIndex = index
        lastState = view?.state
        lastToken = max(lastToken, view?.state.fencingToken ?? 0)
    }

    /// The terms after the newest that it knows are all there, unless so many came that the ledger
    /// no longer has them, or the latch was deleted meanwhile.
    private func checkTerms(_ view: LatchView, _ index: UInt64) throws(Violation) {
        let known = simulation.truth.ledgers.tokens(of: name, after: lastToken, at: index)
        let shown = view.ledger.map(\.fencingToken).filter { $0 > lastToken }
        try require(
            known.suffix(shown.count) == shown[...]
                && (shown.count == known.count || view.ledger.count == 64
                    || (view.ledger.first?.term ?? 1) == 1),
            "I25 observers", "\(name) at \(index): terms \(known) began, \(shown) are shown")
    }

    final class Sink: ObserverSink, @unchecked Sendable {
        let loop: any EventLoop
        let minimumIndex: UInt64
        /// The observer has gone elsewhere.
        var isLeft = false
        private(set) var isEnded = false
        private let onShow: (LatchView?, UInt64, Sink) -> Void

        init(
            loop: any EventLoop, minimumIndex: UInt64,
            onShow: @escaping (LatchView?, UInt64, Sink) -> Void
        ) {
            self.loop = loop
            self.minimumIndex = minimumIndex
            self.onShow = onShow
        }

        func show(_ view: LatchView?, index: UInt64) { onShow(view, index, self) }
        func end(_ failure: NodeFailure) { isEnded = true }
    }
}
