import Logging

/// swift-log's back end for `latchd`: one line an event, through a `LogSink`.
struct LineLogHandler: LogHandler {
    let format: LogFormat
    let sink: LogSink
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(format: LogFormat, sink: LogSink) {
        self.format = format
        self.sink = sink
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
        if let own = event.metadata { fields.merge(own) { $1 } }
        if let error = event.error { fields["error"] = .string("\(error)") }
        sink.write(
            format.line(
                milliseconds: LogFormat.wallMilliseconds(), level: event.level,
                message: event.message.description, metadata: fields),
            format: format)
    }
}

extension NodeConfiguration.Log {
    /// The logger of the process: every line carries nothing but what its author put into it.
    func logger(label: String, sink: LogSink) -> Logger {
        var logger = Logger(label: label) { _ in LineLogHandler(format: format, sink: sink) }
        logger.logLevel = level.swiftLogLevel
        return logger
    }
}

extension NodeConfiguration.Log.Level {
    /// The level of swift-log with the same name.
    var swiftLogLevel: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        case .critical: .critical
        }
    }
}
