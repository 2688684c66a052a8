import LatchMachine
import LatchNode

extension Metrics {
    static func terms(_ reading: TermMeter.Reading, _ page: inout Exposition) {
        page.counters(
            "latchd_terms_total", "Terms of latches that began, by what ended the one before.",
            Cause.allCases.map { (["cause": $0.word], reading.terms[$0] ?? 0) })
        page.histogram(
            "latchd_failover_gap_seconds",
            "From the last sign of life of a holder that expired to the next one's grant.",
            reading.gaps, unit: 1e3)
        page.histogram(
            "latchd_overlap_bound_seconds",
            "How long a holder that was thrown out may have gone on believing, at most.",
            reading.overlaps, unit: 1e3)
    }

    static func calls(_ edge: EdgeReading, _ page: inout Exposition) {
        page.gauge(
            "latchd_client_connections", "Connections of clients.", edge.connections)
        page.gauge(
            "latchd_client_connections_limit", "Connections of clients, at most.",
            edge.connectionLimit)
        page.gauges(
            "latchd_grpc_open_calls", "Calls of clients that are open.",
            edge.calls.map { (["method": $0.method], Double($0.open)) })
        page.counters(
            "latchd_grpc_calls_total", "Calls of clients that ended, by the name of their status.",
            edge.calls.flatMap { call in
                call.ended.filter { $0.count > 0 || $0.code == "OK" }.map { ended in
                    (["method": call.method, "code": ended.code] as Exposition.Labels, ended.count)
                }
            })
        let name = "latchd_grpc_call_duration_seconds"
        page.beginHistogram(name, "How long unary calls took, from their headers to their status.")
        for call in edge.calls where call.isUnary {
            page.series(
                name, ["method": call.method], call.bounds, call.durations, call.nanoseconds,
                unit: 1e9)
        }
    }

    static func process(_ reading: Reading, _ page: inout Exposition) {
        page.gauge(
            "process_start_time_seconds", "When the process began, since 1970.",
            Double(reading.startMilliseconds) / 1_000)
        let process = reading.process
        if let seconds = process.cpuSeconds {
            page.counter(
                "process_cpu_seconds_total", "Processor time, of user and system.", seconds)
        }
        if let bytes = process.residentBytes {
            page.gauge("process_resident_memory_bytes", "Resident memory.", bytes)
        }
        if let bytes = process.virtualBytes {
            page.gauge("process_virtual_memory_bytes", "Virtual memory.", bytes)
        }
        if let count = process.openDescriptors {
            page.gauge("process_open_fds", "Open file descriptors.", count)
        }
        if let count = process.descriptorLimit {
            page.gauge("process_max_fds", "Open file descriptors, at most.", count)
        }
        if let count = process.threads {
            page.gauge("process_threads", "Threads.", count)
        }
    }
}

extension Cause {
    /// The word for labels and JSON.
    var word: String {
        switch self {
        case .joined: "joined"
        case .resigned: "resigned"
        case .closed: "closed"
        case .expired: "expired"
        case .evicted: "evicted"
        case .handedOver: "handed_over"
        case .deleted: "deleted"
        case .restored: "restored"
        }
    }
}
