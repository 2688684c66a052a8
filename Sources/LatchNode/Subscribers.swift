import LatchMachine

/// The Events streams that this node serves, and how far each has been served.
struct Subscribers {
    struct Subscriber {
        let sink: any SubscriberSink
        var lastResponseID: UInt64
    }

    private var streams: [StreamKey: Subscriber] = [:]

    var count: Int { streams.count }
    var isEmpty: Bool { streams.isEmpty }

    /// From now on `sink` serves the stream; returns the one that did until now.
    mutating func add(
        _ key: StreamKey, _ sink: any SubscriberSink, lastResponseID: UInt64
    ) -> (any SubscriberSink)? {
        let previous = streams.updateValue(
            Subscriber(sink: sink, lastResponseID: lastResponseID), forKey: key)
        return previous?.sink
    }

    /// The subscriber of a frame that is next in its stream; a close frame removes it.
    mutating func sink(for key: StreamKey, _ frame: Frame) -> (any SubscriberSink)? {
        guard let subscriber = streams[key] else { return nil }
        switch frame.content {
        case .close: streams.removeValue(forKey: key)
        case .open, .changed: streams[key]?.lastResponseID = frame.responseID
        }
        return subscriber.sink
    }

    mutating func remove(_ key: StreamKey) -> Subscriber? {
        streams.removeValue(forKey: key)
    }

    /// Removes the stream if `sink` still serves it.
    mutating func remove(_ key: StreamKey, servedBy sink: any SubscriberSink) {
        if streams[key]?.sink === sink { streams.removeValue(forKey: key) }
    }

    /// Every stream with how far it was served, ascending.
    var progress: [(key: StreamKey, lastResponseID: UInt64)] {
        streams.keys.sorted().compactMap { key in
            streams[key].map { (key, $0.lastResponseID) }
        }
    }

    mutating func removeAll() -> [any SubscriberSink] {
        let all = streams.keys.sorted().compactMap { streams[$0]?.sink }
        streams = [:]
        return all
    }
}
