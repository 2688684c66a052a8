import GRPCEdge
import LatchNode
import Logging
import NIOCore
import RaftCore
import StatusSite

// The status site: what it is told of this node.
extension Server {
    /// The site, if the configuration wants one.
    ///
    /// - Throws: `StartFailure`; node and edge are stopped then.
    func startSite(
        _ node: LatchNode, _ edge: GRPCServer, _ terms: TermMeter
    ) async throws -> StatusSite? {
        guard let settings = siteSettings else { return nil }
        let limit = configuration.limits.clientConnections
        let site = StatusSite(settings: settings, node: node, terms: terms, logger: logger) {
            await Self.reading(of: edge, connectionLimit: limit)
        }
        do {
            let address = try await site.start()
            logger.info(
                "status site started",
                metadata: [
                    "page": "http://\(address.map { "\(settings.host):\($0.port ?? 0)" } ?? "?")/"
                ])
            return site
        } catch {
            await site.shutdown()
            await edge.shutdown(drainTimeout: .zero)
            await node.stop()
            throw StartFailure(.addressUnavailable, "the status port cannot be opened: \(error)")
        }
    }

    private var siteSettings: SiteSettings? {
        guard let address = configuration.statusListen else { return nil }
        var settings = SiteSettings(
            host: address.host, port: address.port, cluster: configuration.cluster,
            version: latchdVersion)
        for member in configuration.members {
            guard let page = member.status else { continue }
            settings.pages[ServerID(member.id)] = PageAddress(host: page.host, port: page.port)
        }
        return settings
    }

    private static func reading(
        of edge: GRPCServer, connectionLimit: Int
    ) async -> EdgeReading? {
        guard let meters = try? await edge.readMeters() else { return nil }
        let calls = meters.map { method, meter in
            CallReading(
                method: method.path, isUnary: method.kind == .unary, open: meter.open,
                ended: meter.ended.enumerated().map { number, count in
                    (code: GRPCStatusCode(rawValue: number)?.word ?? "\(number)", count: count)
                },
                bounds: MethodMeter.bounds, durations: meter.durations,
                nanoseconds: meter.nanoseconds)
        }
        return EdgeReading(
            calls: calls, connections: edge.openConnections, connectionLimit: connectionLimit)
    }
}

extension GRPCStatusCode {
    /// The name that gRPC's documents use.
    fileprivate var word: String {
        switch self {
        case .ok: "OK"
        case .cancelled: "CANCELLED"
        case .unknown: "UNKNOWN"
        case .invalidArgument: "INVALID_ARGUMENT"
        case .deadlineExceeded: "DEADLINE_EXCEEDED"
        case .notFound: "NOT_FOUND"
        case .alreadyExists: "ALREADY_EXISTS"
        case .permissionDenied: "PERMISSION_DENIED"
        case .resourceExhausted: "RESOURCE_EXHAUSTED"
        case .failedPrecondition: "FAILED_PRECONDITION"
        case .aborted: "ABORTED"
        case .outOfRange: "OUT_OF_RANGE"
        case .unimplemented: "UNIMPLEMENTED"
        case .internalError: "INTERNAL"
        case .unavailable: "UNAVAILABLE"
        case .dataLoss: "DATA_LOSS"
        case .unauthenticated: "UNAUTHENTICATED"
        }
    }
}
