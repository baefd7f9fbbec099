"""The build: design, tools, stages, placement, report, Verilog."""
