import LatchMachine
import RaftCore

// Those who watch a latch on this node, from its own log.
extension LatchNode {
    func observe(_ name: PrimitiveName, _ minimumIndex: UInt64, _ sink: any ObserverSink) {
        if isStopping {
            outbox.end(sink, because: .shuttingDown)
        } else if observers.count >= settings.maximumObservers {
            outbox.end(sink, because: .overloaded("this node serves \(observers.count) observers"))
        } else {
            observers.add(sink, to: name, minimumIndex: minimumIndex)
        }
    }

    /// Shows every changed latch once, whatever happened to it in this turn, and new observers what
    /// there is. A node that was just started does not know which of its entries are committed: it
    /// shows nothing before it has been up to date once.
    func showObservers() {
        if !hasBeenUpToDate {
            hasBeenUpToDate = raft.leader != nil && hasAppliedInTerm
            if !hasBeenUpToDate { return }
        }
        guard observers.count > 0 else { return }
        var view: LatchView?
        var last: PrimitiveName?
        for (name, loop, sinks) in observers.takeShows(lastApplied: machine.lastApplied) {
            if name != last { view = machine.view(name) }
            last = name
            outbox.show(view, index: machine.lastApplied, to: sinks, on: loop)
        }
    }

    /// Tells the observer of terms when the entry at `index` began or ended one on this latch.
    func noteChange(of name: PrimitiveName, at index: UInt64) {
        observers.note(changeOf: name)
        guard let termObserver, let newest = machine.view(name)?.ledger.last else { return }
        if let ended = newest.ended {
            if ended.index == index { termObserver.termEnded(newest, of: name) }
        } else if newest.began.index == index {
            termObserver.termBegan(newest, of: name)
        }
    }

    /// Answers from what this node has applied, whoever leads.
    func answerLocally(_ name: PrimitiveName, _ sink: any ReplySink, at now: Instant) {
        let age =
            leadership.isServing ? 0 : leaderHeardAt.map { now.milliseconds(since: $0) }
        let index = machine.lastApplied
        outbox.complete(
            sink, with: .localView(machine.view(name), index: index, ageMilliseconds: age))
    }

    /// A message of the leader of the current term has come in.
    func noteLeaderHeard(from server: ServerID, at now: Instant) {
        if raft.leader == server, server != settings.server { leaderHeardAt = now }
    }
}
