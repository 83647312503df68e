// A table whose rows become cards where the page is narrow.
import type { ReactNode } from "react";

export interface Row {
  key: string;
  cells: readonly ReactNode[];
  /** What is wrong with it: shown below its cells, in their whole width. */
  below?: ReactNode;
}

interface RowsProps {
  label: string;
  columns: readonly string[];
  rows: readonly Row[];
  /** What is said if there are no rows. */
  empty: string;
}

// Roles are given, because a table that is laid out as blocks loses its own.
export function Rows({ label, columns, rows, empty }: RowsProps) {
  if (rows.length === 0) return <p className="soft">{empty}</p>;
  return (
    <table className="rows" role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <th key={column} role="columnheader" scope="col">
              {column}
            </th>
          ))}
        </tr>
      </thead>
      {rows.map(({ key, cells, below }) => (
        <tbody key={key} role="rowgroup" data-standing={Boolean(below)}>
          <tr role="row">
            {cells.map((cell, index) => (
              <td key={columns[index]} role="cell" data-column={columns[index]}>
                {cell}
              </td>
            ))}
          </tr>
          {below && (
            <tr role="row" className="below">
              <td role="cell" colSpan={columns.length}>
                {below}
              </td>
            </tr>
          )}
        </tbody>
      ))}
    </table>
  );
}
