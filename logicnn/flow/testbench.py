"""A testbench in Verilog that checks itself, with its vectors: what comes with an exported core."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Bench", "hexadecimal"]


def hexadecimal(words: np.ndarray) -> str:  # (n, bits) bool, the first bit lowest
    """A line a word, as ``$readmemh`` reads them."""
    digits = -(-words.shape[1] // 4)
    return "".join(f"{sum(int(bit) << place for place, bit in enumerate(row)):0{digits}x}\n" for row in words)


@dataclass(frozen=True)
class Bench:
    """A testbench of the module `name`, which ends with PASS, or with the first difference and exit code 1.

    It gives words of `given` bits, one a transfer, and expects `vectors` outputs of `gives` bits; `unused` are inputs
    that stay 0.
    """

    name: str
    given: int
    gives: int
    words: int
    vectors: int
    unused: tuple[str, ...] = ()

    def combinational(self) -> str:
        """The text for plain ports `i` and `o`."""
        body = [
            f"  reg [{self.given - 1}:0] i;",
            f"  wire [{self.gives - 1}:0] o;",
            f"  {self.name} dut (.i(i), .o(o));",
            "  initial begin",
            *self._read,
            f"    for (seen = 0; seen < {self.vectors}; seen = seen + 1) begin",
            "      i = inputs[seen];",
            "      #1;",
            *self._check,
            "    end",
            *(line[2:] for line in self._passed),
            "  end",
        ]
        return self._whole(body)

    def stream(self) -> str:
        """The text for streams `i` and `o`."""
        unused = "".join(f", .{port}(1'b0)" for port in self.unused)
        body = [
            "  reg clk = 0, rst = 1;",
            f"  wire [{self.gives - 1}:0] o;",
            "  wire ready, valid;",
            "  always #5 clk = ~clk;",
            f"  wire offered = !rst && sent < {self.words};",
            f"  {self.name} dut (.clk(clk), .rst(rst), .i__payload(inputs[sent]), .i__valid(offered), "
            f".i__ready(ready),",
            f"    .o__payload(o), .o__valid(valid), .o__ready(1'b1){unused});",
            "  initial begin",
            *self._read,
            "    repeat (2) @(negedge clk);",
            "    rst = 0;",
            "  end",
            "  always @(negedge clk) if (!rst) begin",
            "    if (valid) begin",
            *self._check,
            "      seen <= seen + 1;",
            f"      if (seen == {self.vectors - 1}) begin",
            *(f"  {line}" for line in self._passed),
            "      end",
            "    end",
            "  end",
            f"  always @(posedge clk) if (offered && ready && sent < {self.words}) sent <= sent + 1;",
        ]
        return self._whole(body)

    @property
    def _read(self) -> list[str]:
        parts = (("inputs", "inputs"), ("expected", "expected"))
        return [f'    $readmemh("{self.name}_{file}.hex", {array});' for file, array in parts]

    @property
    def _check(self) -> list[str]:
        return [
            "      if (o !== expected[seen]) begin",
            '        $display("FAIL: vector %0d should give %h but gives %h", seen, expected[seen], o);',
            "        $fatal(1);",
            "      end",
        ]

    @property
    def _passed(self) -> list[str]:
        return [f'      $display("PASS: {self.vectors} vectors");', "      $finish;"]

    def _whole(self, body: list[str]) -> str:
        head = [
            "`timescale 1ns/1ps",
            f"module {self.name}_tb;",
            f"  reg [{self.given - 1}:0] inputs [0:{self.words - 1}];",
            f"  reg [{self.gives - 1}:0] expected [0:{self.vectors - 1}];",
            "  integer sent = 0, seen = 0;",
        ]
        return "\n".join([*head, *body, "endmodule", ""])
