//! EC2: instances, capacity, interruptions, bills.
