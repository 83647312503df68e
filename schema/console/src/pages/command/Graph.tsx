// The lineage as a graph: commands and events, what followed below what it followed from.
import { useMemo } from "react";
import { Link } from "wouter";
import { graphOf, NODE, pictureOf, type Lineage, type Node } from "./lineage.js";

export function Graph({ lineage }: { lineage: Lineage }) {
  const { nodes, picture } = useMemo(() => {
    const { nodes, edges } = graphOf(lineage);
    return { nodes, picture: pictureOf(nodes, edges) };
  }, [lineage]);
  return (
    <div className="graph" tabIndex={0} role="region" aria-label="What followed, as a graph">
      <div style={{ width: picture.width, height: picture.height }}>
        <svg width={picture.width} height={picture.height} aria-hidden="true">
          {picture.lines.map((points, index) => (
            <path key={index} d={`M${points.map(({ x, y }) => `${x} ${y}`).join("L")}`} />
          ))}
        </svg>
        {nodes.map((node) => (
          <Box key={node.id} node={node} place={picture.places.get(node.id)!} />
        ))}
      </div>
    </div>
  );
}

function Box({ node, place }: { node: Node; place: { x: number; y: number } }) {
  const style = { width: NODE.width, height: NODE.height, transform: `translate(${place.x}px, ${place.y}px)` };
  const content = (
    <>
      <b>{node.title}</b>
      <span>
        {node.status.toLowerCase()}
        {node.about && `, ${node.about}`}
      </span>
    </>
  );
  const given = { className: "node", style, "data-kind": node.kind, "data-status": node.status };
  if (!node.path) return <div {...given}>{content}</div>;
  return (
    <Link {...given} href={node.path}>
      {content}
    </Link>
  );
}
