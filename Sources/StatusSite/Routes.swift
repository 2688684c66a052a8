import Foundation
import HTTPTypes
import Hummingbird
import LatchMachine
import LatchNode
import NIOCore

/// What the site answers to which path. Only GET and HEAD; nothing here changes anything.
struct Routes: Sendable {
    let settings: SiteSettings
    let node: LatchNode
    let readings: Readings
    let peers: PeerPages
    let latches: LatchPictures
    let viewers: Viewers

    func makeRouter() -> Router<BasicRequestContext> {
        let router = Router(options: .autoGenerateHeadEndpoints)
        router.get("/") { _, _ in file(PackageResources.index_html, "text/html; charset=utf-8") }
        router.get("/page.css") { _, _ in
            file(PackageResources.page_css, "text/css; charset=utf-8")
        }
        router.get("/page.js") { _, _ in
            file(PackageResources.page_js, "text/javascript; charset=utf-8")
        }
        router.get("/livez") { _, _ in await livez() }
        router.get("/readyz") { request, _ in await readyz(request) }
        router.get("/metrics") { _, _ in await metrics() }
        router.get("/api/node") { _, _ in await json { await ownPicture().picture } }
        router.get("/api/overview") { _, _ in await viewed { await overview() } }
        router.get("/api/latches") { request, _ in await viewed { await page(request) } }
        router.get("/api/latch") { request, _ in await viewed { await detail(request) } }
        return router
    }

    // MARK: Health and metrics

    private func health(_ reading: Reading) -> Health {
        Health(reading.node, members: node.settings.members.count, settings: settings)
    }

    private func livez() async -> Response {
        let bound = TimeAmount.milliseconds(settings.livenessBoundMilliseconds)
        let loop = node.loop
        let answers = await Readings.within(bound) { try await loop.submit {}.get() } != nil
        return plain(
            answers ? .ok : .serviceUnavailable,
            answers
                ? "alive\n" : "the node did not answer within \(bound.nanoseconds / 1_000_000) ms\n"
        )
    }

    private func readyz(_ request: Request) async -> Response {
        let health = health(await readings.current())
        let isVerbose = request.uri.queryParameters["verbose"] != nil
        return plain(
            health.passes ? .ok : .serviceUnavailable, health.text(verbose: isVerbose))
    }

    private func metrics() async -> Response {
        let reading = await readings.current()
        let text = Metrics.text(
            reading, health: health(reading), settings: settings, node: node.settings)
        return answer(.ok, Exposition.contentType, ByteBuffer(string: text))
    }

    // MARK: JSON

    private func ownPicture() async -> (reading: Reading, picture: NodePicture) {
        let reading = await readings.current()
        return (reading, NodePicture(reading, health(reading), settings, node.settings))
    }

    private func overview() async -> Overview? {
        async let others = peers.current()
        let own = await ownPicture()
        return Overview(
            own.reading, own: own.picture, others: await others, settings, node.settings)
    }

    private static let rowsShown = 1...200

    private func page(_ request: Request) async -> LatchPage? {
        let query = request.uri.queryParameters
        let limit = query["limit"].flatMap { Int($0) } ?? 50
        return await latches.page(
            search: String((query["q"] ?? "").prefix(256)),
            after: query["after"].flatMap { PrimitiveName(pageToken: String($0)) },
            limit: min(max(limit, Self.rowsShown.lowerBound), Self.rowsShown.upperBound))
    }

    private func detail(_ request: Request) async -> LatchDetail? {
        let query = request.uri.queryParameters
        return await latches.detail(
            PrimitiveName(
                namespace: String(query["namespace"] ?? ""), name: String(query["name"] ?? "")))
    }

    /// An answer of the page's, if there is room for one more who looks.
    private func viewed(_ make: () async -> (some Encodable)?) async -> Response {
        guard !viewers.areTooMany else {
            var response = plain(.serviceUnavailable, "too many look at this page\n")
            response.headers[.connection] = "close"
            return response
        }
        return await json(make)
    }

    private func json(_ make: () async -> (some Encodable)?) async -> Response {
        let encoder = JSONEncoder()
        // The same answer is the same text: the page draws nothing anew for it.
        encoder.outputFormatting = .sortedKeys
        guard let value = await make(), let bytes = try? encoder.encode(value) else {
            return plain(.serviceUnavailable, "the node did not answer\n")
        }
        return answer(.ok, "application/json", ByteBuffer(bytes: bytes))
    }

    // MARK: Answers

    private func file(_ bytes: [UInt8], _ type: String) -> Response {
        answer(.ok, type, ByteBuffer(bytes: bytes))
    }

    private func plain(_ status: HTTPResponse.Status, _ text: String) -> Response {
        answer(status, "text/plain; charset=utf-8", ByteBuffer(string: text))
    }

    /// Names of latches are hostile: no script but ours runs, nothing is loaded from elsewhere, and
    /// no other site reads or frames this one.
    private static let security: [(name: String, value: String)] = [
        (
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                + "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ]

    private func answer(
        _ status: HTTPResponse.Status, _ type: String, _ body: ByteBuffer
    ) -> Response {
        var headers: HTTPFields = [.contentType: type]
        for (name, value) in Self.security {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: body))
    }
}
