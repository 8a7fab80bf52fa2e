//! Calls over real sockets of this machine.
