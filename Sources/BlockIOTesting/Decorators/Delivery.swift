/// When an answer goes on to the pipeline.
enum Delivery {
    case now
    /// After another, if there is another.
    case afterAnother
}
