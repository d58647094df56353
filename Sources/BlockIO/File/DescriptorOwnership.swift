/// Who owns the descriptor that an image is opened from.
public enum DescriptorOwnership: Sendable, Hashable {
    /// The caller owns it and closes it. The image works on a duplicate.
    case borrowed
    /// The image owns it and closes it: when the image is released, or before the call returns when the
    /// image cannot be opened.
    case transferred
}
