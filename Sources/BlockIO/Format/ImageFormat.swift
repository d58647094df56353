/// Says where the bytes of an image are: what stands between the requests of a guest and the files of
/// the host.
///
/// **Model of I/O.** A format moves no data and never waits. The queue asks it about one *stretch* of a
/// request after the other, from the first byte of the request to the last, and does what it answers:
/// moves bytes between the guest's memory and a host file, fills memory with zeroes, or makes requests of
/// the format's own to its files first (*child requests*) and then asks again. The children of a request
/// are in the same queue; up to ``FormatAnswer/requestLimit`` of them are under way at a time.
///
/// **Model of errors.** When a child fails, the request that it was made for fails with the same error,
/// once all of its children have completed; the format is not asked about that request again. What an answer
/// says is checked: one that names a file that is not there, no bytes, or bytes behind the end of a file
/// fails the request with ``BlockError/Code/corruptImage``. So a format may pass on what it has read from
/// an untrusted image, but must itself bound what it allocates because of it.
///
/// **Threads.** ``answer(_:)`` is called by the thread that uses the queue. An image that was opened
/// read-only can have several queues, whose threads may call at the same time.
package protocol ImageFormat: AnyObject, Sendable {
    /// The image's files, the one that it was opened with first. At most ``HostFile/limitOfImage``, none of
    /// them twice. An answer names a file by its index here.
    var files: [HostFile] { get }

    /// The image's size in bytes. It changes only by a resize, before the format answers
    /// ``FormatAnswer/done`` to it.
    var size: UInt64 { get }

    /// What the format can do, if its files can.
    var capabilities: BlockImage.Capabilities { get }

    /// Whether a flush would have the format write something of its own. If so, a write that is to be
    /// stable when it completes is followed by a flush. It is too when requests of the format's own have
    /// changed a file since the last flush that succeeded, which the queue knows by itself.
    var hasChangedMetadata: Bool { get }

    /// What is to be done for a stretch of a request.
    ///
    /// - A read, write, discard or write of zeroes: where the first bytes of the stretch are. The answer may
    ///   cover less than the stretch, and the queue asks about the rest.
    /// - A flush: what the format has to write first. After ``FormatAnswer/done`` the queue flushes every
    ///   file that is open for writing.
    /// - A resize: what has to be done for it. No request that changes the image is under way.
    func answer(_ question: inout FormatQuestion) -> FormatAnswer

    /// The queue will not ask again about a stretch, although the format answered ``FormatAnswer/after(_:)``:
    /// a child request has failed, the request was cancelled, or a later answer made it fail. All of its children
    /// have completed.
    func abandon(_ question: FormatQuestion)
}
