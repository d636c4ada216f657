"""What plugins describe (specs), the hooks that they implement, and how they are found. Nothing here imports torch."""
