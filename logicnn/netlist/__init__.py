"""What synthesis wrote, as cells, circuits, machine code, a simulation."""
