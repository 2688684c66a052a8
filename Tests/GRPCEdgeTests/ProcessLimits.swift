#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

#if canImport(Glibc)
private let descriptorResource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
private let thisProcess = __rusage_who_t(RUSAGE_SELF.rawValue)
#else
private let descriptorResource = RLIMIT_NOFILE
private let thisProcess = RUSAGE_SELF
#endif

/// Raises the number of descriptors that this process may have to `wanted`, as far as the system
/// allows, and returns it.
func raiseDescriptorLimit(to wanted: Int) throws -> Int {
    var limit = rlimit()
    guard getrlimit(descriptorResource, &limit) == 0 else {
        throw ClientFailure.system("getrlimit", errno)
    }
    if limit.rlim_cur < rlim_t(wanted) {
        limit.rlim_cur = min(rlim_t(wanted), limit.rlim_max)
        guard setrlimit(descriptorResource, &limit) == 0 else {
            throw ClientFailure.system("setrlimit", errno)
        }
    }
    return Int(clamping: limit.rlim_cur)
}

/// Runs `body` while all descriptors of the process but `spare` are taken.
func withoutDescriptors<Result>(spare: Int, _ body: () throws -> Result) throws -> Result {
    var taken: [Int32] = []
    defer { for descriptor in taken { _ = close(descriptor) } }
    while true {
        let descriptor = dup(0)
        guard descriptor >= 0 else { break }
        taken.append(descriptor)
    }
    for _ in 0..<spare {
        if let descriptor = taken.popLast() { _ = close(descriptor) }
    }
    return try body()
}

/// Processor time of this process so far, in milliseconds.
func processorMilliseconds() -> Int {
    var usage = rusage()
    guard getrusage(thisProcess, &usage) == 0 else { return 0 }
    let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
    let microseconds = Int(usage.ru_utime.tv_usec) + Int(usage.ru_stime.tv_usec)
    return seconds * 1_000 + microseconds / 1_000
}

/// Memory that this process has in use, in bytes; 0 where the system does not tell it so simply.
func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, 128, file) != nil else { return 0 }
    let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    let fields = text.split(separator: " ")
    return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
}

/// Waits.
func poll(milliseconds: Int32) -> Int32 { poll(nil, 0, milliseconds) }
