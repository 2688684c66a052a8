import LatchMachine
import LatchNode
import RaftCore

// I17 at the node: what it owes its subscribers, whether or not a client still listens.

extension Simulation {
    /// A snapshot has just replaced the machine: soon each subscriber has all frames up to now, or
    /// was told that it has not.
    func expectStreamsToResume(at process: SimulatedProcess, _ node: LatchNode) {
        process.isRestoring = false
        process.restoredAt = node.machine.lastApplied
        process.sinks.removeAll { $0.isEnded }
        let owed = process.sinks.compactMap { sink in
            sink.stream.map { (sink: sink, last: node.machine.lastResponseID(of: $0)) }
        }
        guard !owed.isEmpty else { return }
        let (life, stops) = (process.life, process.stops)
        time.after(60) { [self] in
            guard process.life == life, process.stops == stops, process.isRunning else { return }
            check { () throws(Violation) in
                for (sink, last) in owed where !sink.isEnded {
                    let has = sink.lastResponseID ?? .max
                    try require(
                        sink.gap == nil && last.map { has >= $0 } == true, "I17 event streams",
                        "\(process.id) installs a snapshot and leaves a subscriber at frame "
                            + "\(has) of \(last ?? 0) \(sink.gap ?? "")")
                }
            }
        }
    }
}
