//! Drives ap2ap-stream connections over carriers on tokio: connect, listen, AsyncRead and AsyncWrite streams.
